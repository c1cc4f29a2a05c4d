import { describe, expect, test } from '@jest/globals';
import type { AuditRow } from '../../src/audit/audit-table.ts';
import { DAY_MS, dayOf } from '../../src/audit/days.ts';
import { HOUR_MS } from '../../src/audit/usage/usage-table.ts';
import { usageOf } from '../../src/audit/usage.ts';
import { auditTable } from '../../src/database/tables/audit-table.ts';
import { usageSums } from '../../src/database/usage/usage-sums.ts';
import { dropWholeDay } from '../support/audit-table.ts';
import { DATABASES } from '../support/sql-databases.ts';

const START = Date.UTC(2026, 10, 23);
const CHAIN = '11111111-1111-4111-8111-111111111111';
const WEEK = { from: START, to: START + 7 * DAY_MS };

/** The row of a record of 10 bytes. */
const row = (sequence: number, change: Partial<AuditRow> = {}): AuditRow => ({
  at: START + sequence,
  chain: CHAIN,
  sequence,
  tenantId: 'contoso',
  removes: undefined,
  line: `{"sequence":${sequence}}`,
  usage: usageOf({ operation: 'encrypt', outcome: 'succeeded', bytes: 10 }),
  ...change,
});

const NOTHING = { failures: 0, vaultCalls: 0, leases: 0, leasedMessages: 0 };

describe.each(DATABASES)('sums of usage in %s', (_name, create) => {
  test('each record counts once, however often and by how many processes it is stored', async () => {
    await using database = await create();
    const opened = await database.open();
    const [table, other] = [auditTable(opened), auditTable(await database.open())];
    expect(await table.add([row(0), row(1)])).toBe(2);
    expect(await table.add([row(0), row(1)])).toBe(0);
    expect(await table.add([row(1), row(2)], row(0))).toBe(1);
    expect(await table.add([row(9)], row(8))).toBeUndefined();
    await Promise.all([table.add([row(3), row(4), row(5)]), other.add([row(4), row(5), row(6)])]);
    expect(await usageSums(opened).byTenant(WEEK, '', 10)).toEqual([
      { tenantId: 'contoso', operations: 7, bytes: 70, ...NOTHING },
    ]);
  });

  test('a record that was removed with its day counts no second time when its file is shipped again', async () => {
    await using database = await create();
    const opened = await database.open();
    const table = auditTable(opened);
    const sums = () => usageSums(opened).byTenant(WEEK, '', 10);
    const today = row(3, { at: START + DAY_MS });
    await table.add([row(0), row(1), today]);
    for (let time = 0; time < 2; time += 1) {
      expect(await dropWholeDay(table, dayOf(START))).toBe(true);
      expect(await table.add([row(0), row(1), today])).toBe(2);
      expect(await sums()).toEqual([{ tenantId: 'contoso', operations: 3, bytes: 30, ...NOTHING }]);
    }
    // A record that the table never had counts, whenever it comes.
    await table.add([row(1), row(2), today]);
    expect(await sums()).toMatchObject([{ operations: 4, bytes: 40 }]);
  });

  test('tenants come by id from a place on, and days and hours by time', async () => {
    await using database = await create();
    const opened = await database.open();
    const usage = usageSums(opened);
    await auditTable(opened).add([
      row(0),
      row(1, { at: START + 2 * HOUR_MS }),
      row(2, { at: START + DAY_MS, usage: usageOf({ operation: 'decrypt', outcome: 'refused' }) }),
      row(3, { tenantId: 'fabrikam' }),
      row(4, { tenantId: 'northwind', usage: undefined }),
      row(5, { tenantId: undefined }),
    ]);
    await usage.addVaultCalls([{ tenantId: 'adatum', at: START, calls: 3 }]);
    const ids = async (after: string, limit: number) =>
      (await usage.byTenant(WEEK, after, limit)).map(({ tenantId }) => tenantId);
    expect(await ids('', 10)).toEqual(['adatum', 'contoso', 'fabrikam']);
    expect(await ids('adatum', 1)).toEqual(['contoso']);
    expect(await usage.ofTenants(WEEK, ['fabrikam', 'adatum', 'nobody'])).toMatchObject([
      { tenantId: 'adatum', operations: 0, vaultCalls: 3 },
      { tenantId: 'fabrikam', operations: 1, vaultCalls: 0 },
    ]);
    expect(await usage.byPeriod(WEEK, 'contoso', DAY_MS)).toEqual([
      { start: START, operations: 2, bytes: 20, ...NOTHING },
      { start: START + DAY_MS, operations: 0, bytes: 0, ...NOTHING, failures: 1 },
    ]);
    const hours = await usage.byPeriod({ from: START, to: START + DAY_MS }, 'contoso', HOUR_MS);
    expect(hours.map(({ start }) => start)).toEqual([START, START + 2 * HOUR_MS]);
    expect(await usage.ofTenants({ from: START + HOUR_MS, to: START + DAY_MS }, ['contoso'])).toMatchObject([
      { operations: 1 },
    ]);
  });

  test('old hours become days without a change of the sums, late records too, and old days go', async () => {
    await using database = await create();
    const opened = await database.open();
    const usage = usageSums(opened);
    const table = auditTable(opened);
    await table.add(Array.from({ length: 30 }, (_, at) => row(at, { at: START + at * HOUR_MS })));
    const before = await usage.byTenant(WEEK, '', 10);
    const compactAll = async (days: number) => {
      while (await usage.compact(START + DAY_MS, START + days * DAY_MS));
    };
    await compactAll(0);
    expect(await usage.byTenant(WEEK, '', 10)).toEqual(before);
    const hours = async () => (await usage.byPeriod(WEEK, 'contoso', HOUR_MS)).map(({ operations }) => operations);
    expect(await hours()).toEqual([24, 1, 1, 1, 1, 1, 1]);
    await table.add([row(30, { at: START + HOUR_MS })]);
    await compactAll(0);
    expect(await hours()).toEqual([25, 1, 1, 1, 1, 1, 1]);
    await compactAll(1);
    expect(await hours()).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('a record that is stored while its hour becomes part of a day is not lost', async () => {
    await using database = await create();
    const [opened, other] = [await database.open(), await database.open()];
    const table = auditTable(opened);
    await table.add([row(0)]);
    const compacting = usageSums(other);
    await Promise.all([
      ...Array.from({ length: 20 }, (_, at) => table.add([row(at + 1)])),
      ...Array.from({ length: 20 }, () => compacting.compact(START + DAY_MS, START)),
    ]);
    expect(await compacting.ofTenants(WEEK, ['contoso'])).toMatchObject([{ operations: 21, bytes: 210 }]);
  });
});
