import { describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import type { AuditRow } from '../../src/audit/audit-table.ts';
import { DAY_MS, dayOf } from '../../src/audit/days.ts';
import { tableRecords } from '../../src/audit/pages/table-records.ts';
import { lastEntry } from '../../src/database/tables/audit-chains.ts';
import { auditTable } from '../../src/database/tables/audit-table.ts';
import { otlpCursors } from '../../src/database/usage/otlp-cursors.ts';
import { usageSums } from '../../src/database/usage/usage-sums.ts';
import { dropWholeDay } from '../support/audit-table.ts';
import { DATABASES } from '../support/sql-databases.ts';

const START = Date.UTC(2026, 10, 23);
const [A, B] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];

const row = (chain: string, sequence: number, change: Partial<AuditRow> = {}): AuditRow => ({
  at: START + sequence,
  chain,
  sequence,
  tenantId: 'contoso',
  removes: undefined,
  line: `{"chain":"${chain}","sequence":${sequence},"text":"it's \\"quoted\\" \\u0000 ü"}`,
  ...change,
});

const linesOf = (rows: readonly { readonly line: string }[]) => rows.map(({ line }) => line);

describe.each(DATABASES)('the audit table in %s', (_name, create) => {
  test('rows are stored once, byte for byte, and only after their predecessor', async () => {
    await using database = await create();
    const table = auditTable(await database.open());
    expect(await table.add([row(A, 0), row(A, 1)])).toBe(2);
    expect(await table.add([row(A, 1), row(A, 2)], row(A, 0))).toBe(1);
    expect(await table.add([row(A, 9)], row(A, 8))).toBeUndefined();
    const stored = await table.following(A, -1, 10);
    expect(linesOf(stored)).toEqual(linesOf([row(A, 0), row(A, 1), row(A, 2)]));
    expect(await table.last(A)).toEqual({ at: START + 2, chain: A, sequence: 2 });
    expect(await table.last(B)).toBeUndefined();
    expect(Math.abs((await table.now()) - Date.now())).toBeLessThan(60_000);
  });

  test('a record is stored once, also if it comes with another time', async () => {
    await using database = await create();
    const opened = await database.open();
    const table = auditTable(opened);
    const usage = { operations: 1, failures: 0, bytes: 1, leases: 0, leasedMessages: 0 };
    const [own, redated] = [
      (sequence: number) => row(A, sequence, { usage }),
      (sequence: number) => row(A, sequence, { usage, at: START + DAY_MS + sequence, isRedated: true }),
    ];
    expect(await table.add([redated(0), redated(1)])).toBe(2);
    expect(await table.add([own(0), own(1), own(2)])).toBe(1); // as `audit ship --all`
    expect(await table.add([redated(2), redated(3)], redated(1))).toBe(1); // as the process whose clock is wrong
    expect(await table.add([own(0), own(1)])).toBe(0);
    const stored = await table.following(A, -1, 10);
    expect(stored.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
    const counted = await usageSums(opened).byTenant({ from: START - DAY_MS, to: START + 3 * DAY_MS }, '', 10);
    expect(counted.map(({ tenantId, operations }) => [tenantId, operations])).toEqual([['contoso', 4]]);
  });

  test('a page has the records of one tenant, newest first, from a place on', async () => {
    await using database = await create();
    const table = auditTable(await database.open());
    await table.add([row(A, 0), row(A, 1, { tenantId: 'fabrikam' }), row(A, 2), row(B, 2), row(A, 3)]);
    const page = { tenantId: 'contoso', limit: 2 };
    expect(linesOf(await table.page(page))).toEqual(linesOf([row(A, 3), row(B, 2)]));
    expect(linesOf(await table.page({ ...page, before: row(B, 2) }))).toEqual(linesOf([row(A, 2), row(A, 0)]));
    expect(linesOf(await table.page({ ...page, from: START + 1, to: START + 3 }))).toEqual(
      linesOf([row(B, 2), row(A, 2)]),
    );
    expect(await table.page({ ...page, tenantId: 'nobody' })).toEqual([]);
  });

  test('a search finds marks in the lines of one tenant, and says where it stopped', async () => {
    await using database = await create();
    const table = auditTable(await database.open());
    const named = (sequence: number, name: string, tenantId = 'contoso') =>
      row(A, sequence, { tenantId, line: `{"sequence":${sequence},"name":"${name} É %_"}` });
    const rows = [
      named(0, 'Ann'),
      named(1, 'ann', 'fabrikam'),
      named(2, 'bob'),
      named(3, 'ANN'),
      named(4, 'bob'),
      named(5, 'bob'),
    ];
    await table.add(rows);
    const search = { tenantId: 'contoso', limit: 10, scanned: 10, marks: { exact: [], folded: ['"ann'] } };
    const found = async (change: object) => {
      const { rows: lines, end } = await table.search({ ...search, ...change });
      return [lines.map(({ sequence }) => sequence), end?.sequence];
    };
    expect(await found({})).toEqual([[3, 0], undefined]);
    expect(await found({ marks: { exact: ['"ANN'], folded: [] } })).toEqual([[3], undefined]);
    expect(await found({ marks: { exact: ['"ANN'], folded: ['bob'] } })).toEqual([[], undefined]);
    for (const mark of ['é', 'x%_', "'"])
      expect(await found({ marks: { exact: [], folded: [mark] } })).toEqual([[], undefined]);
    expect(await found({ marks: { exact: ['É %_'], folded: [] } })).toEqual([[5, 4, 3, 2, 0], undefined]);
    expect(await found({ limit: 1 })).toEqual([[3], undefined]);
    expect(await found({ scanned: 2 })).toEqual([[], 4]);
    expect(await found({ scanned: 3 })).toEqual([[3], 3]);
    expect(await found({ scanned: 2, before: rows[4] })).toEqual([[3], 2]);
    expect(await found({ scanned: 5 })).toEqual([[3, 0], undefined]);
    expect(await found({ from: START + 1, to: START + 3 })).toEqual([[], undefined]);
  });

  test('a page of a search looks through so many records, and the next one continues', async () => {
    await using database = await create();
    const table = auditTable(await database.open());
    const recordAt = (sequence: number) => ({
      chain: A,
      sequence,
      at: new Date(START + sequence).toISOString(),
      salt: 's'.repeat(22),
      previous: 'h'.repeat(43),
      type: 'event',
      operation: sequence === 1 ? 'decrypt' : 'encrypt',
      outcome: 'succeeded',
      requestId: String(sequence),
      tenantId: 'contoso',
    });
    const total = 3_500;
    await table.add(
      Array.from({ length: total }, (_, sequence) => row(A, sequence, { line: JSON.stringify(recordAt(sequence)) })),
    );
    const records = tableRecords(table, 2_000);
    const search = { tenantId: 'contoso', limit: 5, filter: { operation: 'decrypt' } };
    const first = await records.page(search);
    expect(first).toEqual({ records: [], next: { at: START + 1_500, chain: A, sequence: 1_500 } });
    expect(await records.page({ ...search, before: first.next })).toEqual({ records: [recordAt(1)] });
    const quoted = { operation: 'encrypt', text: '"sequence":' }; // in values, quotes have a backslash
    expect(await records.page({ ...search, filter: quoted })).toMatchObject({ records: [], next: { sequence: 1_500 } });
    const newest = await records.page({ ...search, limit: 1, filter: { text: 'ENCRYPT' } });
    expect(newest).toMatchObject({ records: [{ sequence: total - 1 }], next: { sequence: total - 1 } });
  });

  test('the last entry of a chain in the logs is found by an index, however many entries there are', async () => {
    await using database = await create();
    const { write, dialect } = await database.open();
    const plan = await write(async (trx) => {
      if (dialect.name === 'SQLite') return sql`explain query plan ${lastEntry('a')}`.execute(trx);
      await sql`set local enable_seqscan = off`.execute(trx); // an empty table is read faster without an index
      return sql`explain ${lastEntry('a')}`.execute(trx);
    });
    expect(JSON.stringify(plan.rows)).toContain('log_entries_by_record');
  });

  test('chains are listed in the order of their ids', async () => {
    await using database = await create();
    const table = auditTable(await database.open());
    await table.add([row(B, 0), row(A, 4), row(A, 5)]);
    expect(await table.nextChain('')).toMatchObject({ chain: A, sequence: 4 });
    expect(await table.nextChain(A)).toMatchObject({ chain: B, sequence: 0 });
    expect(await table.nextChain(B)).toBeUndefined();
  });

  test('a day is listed, read by its end, and dropped with its records alone', async () => {
    await using database = await create();
    const table = auditTable(await database.open());
    const [first, second] = [dayOf(START), dayOf(START) + 1];
    const later = row(A, 7, { at: START + DAY_MS + 7 });
    const removal = row(B, 3, { removes: A, line: `{"removal":"${A}"}` });
    await table.add([row(A, 0), row(A, 6), removal, later]);
    expect(await table.days()).toEqual([first, second]);
    expect(await table.endOnDay(first, undefined)).toMatchObject({ chain: B, sequence: 3 });
    expect(await table.endOnDay(first, B)).toMatchObject({ chain: A, sequence: 6 });
    expect(await table.removalsOnDay(first)).toEqual([removal.line]);
    expect(await dropWholeDay(table, first)).toBe(true);
    expect(await table.days()).toEqual([second]);
    expect(linesOf(await table.following(A, -1, 10))).toEqual([later.line]);
    expect(await table.removalsOnDay(first)).toEqual([]);
    expect(await table.dropDay(first, [])).toBe(true);
  });

  test.each([
    ['of another chain', [row(A, 0), row(B, 0)]],
    ['of the same chain', [row(A, 0), row(A, 1)]],
  ])('a day that got further records %s stays', async (_what, rows) => {
    await using database = await create();
    const table = auditTable(await database.open());
    await table.add(rows);
    expect(await table.dropDay(dayOf(START), [{ chain: A, through: 0 }])).toBe(false);
    expect(await table.days()).toEqual([dayOf(START)]);
    expect(await dropWholeDay(table, dayOf(START))).toBe(true);
    expect(await table.days()).toEqual([]);
  });

  test('a chain is forgotten some time after its last record was removed, with its place at the collector', async () => {
    await using database = await create();
    const opened = await database.open();
    const [table, cursors] = [auditTable(opened), otlpCursors(opened)];
    await table.add([row(A, 0), row(B, 0), row(A, 1, { at: START + DAY_MS })]);
    await cursors.claim('me', 0, 1_000, 10);
    const chains = async () => {
      const rows = await opened.read((db) => db.selectFrom('audit_chains').select('chain').orderBy('chain').execute());
      const places = await opened.read((db) =>
        db.selectFrom('otlp_cursors').select('chain').orderBy('chain').execute(),
      );
      expect(places).toEqual(rows);
      return rows.map(({ chain }) => chain);
    };
    await dropWholeDay(table, dayOf(START));
    await table.forgetChains(Date.now() - 60_000);
    expect(await chains()).toEqual([A, B]);
    await table.forgetChains(Date.now() + 60_000);
    expect(await chains()).toEqual([A]);
    await dropWholeDay(table, dayOf(START) + 1);
    await table.add([row(A, 0), row(A, 1, { at: START + DAY_MS })]); // shipped again
    await table.forgetChains(Date.now() + 60_000);
    expect(await chains()).toEqual([A]);
    await dropWholeDay(table, dayOf(START));
    await table.forgetChains(Date.now() + 60_000);
    expect(await chains()).toEqual([A]);
    await dropWholeDay(table, dayOf(START) + 1);
    await table.forgetChains(Date.now() + 60_000);
    expect(await chains()).toEqual([]);
  });
});
