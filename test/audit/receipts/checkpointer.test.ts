import { describe, expect, test } from '@jest/globals';
import { ChainWriter } from '../../../src/audit/chain/chain-writer.ts';
import { isSigned, parseCheckpoint, publicKeysIn, verifierKey } from '../../../src/audit/receipts/checkpoint.ts';
import { restartLogs } from '../../../src/audit/receipts/checkpointer.ts';
import type { SqlDatabase } from '../../../src/database/open-database.ts';
import { auditTable } from '../../../src/database/tables/audit-table.ts';
import { checkpointTable } from '../../../src/database/tables/log-checkpoints.ts';
import { logReader } from '../../../src/database/tables/log-reader.ts';
import { chainLines, eventOf, START } from '../../support/chains.ts';
import { logProcess, MemoryKey, ORIGIN, store } from '../../support/receipts.ts';
import { DATABASES, newSqlite } from '../../support/sql-databases.ts';

const [A, B, C] = [
  '11111111-1111-4111-8111-111111111111',
  '22222222-2222-4222-8222-222222222222',
  '33333333-3333-4333-8333-333333333333',
];
const TENANT = 'tenant-0';

const noteOf = async (database: SqlDatabase): Promise<string> =>
  (await logReader(database).signed(TENANT))?.checkpoint ?? '';
const sizeOf = async (database: SqlDatabase): Promise<number | undefined> =>
  parseCheckpoint(await noteOf(database))?.size;

/** Puts the tables of the log back to an earlier state, as a restored backup does. */
async function snapshot(database: SqlDatabase): Promise<() => Promise<void>> {
  const tables = ['audit_records', 'audit_chains', 'log_entries', 'log_subtrees', 'log_heads', 'log_anchor'] as const;
  const kept = await Promise.all(
    tables.map(async (table) => ({
      table,
      rows: await database.read((db) => db.selectFrom(table).selectAll().execute()),
    })),
  );
  return () =>
    database.write(async (trx) => {
      for (const { table, rows } of kept) {
        await trx.deleteFrom(table).execute();
        if (rows.length > 0)
          await trx
            .insertInto(table)
            .values(rows as never)
            .execute();
      }
    });
}

test('a checkpoint is a note that only its own key verifies, unaltered and under its own name', async () => {
  await using created = await newSqlite();
  const database = await created.open();
  const key = new MemoryKey();
  const process = logProcess({ database, key, now: () => Date.UTC(2026, 10, 26, 20) });
  await store(auditTable(database), chainLines(A, 1));
  await process.run();
  const note = await noteOf(database);
  expect(note).toMatch(
    /^vendor\.example\/vaultspan\/tenants\/tenant-0\n1\n\S{44}\ntimestamp 2026-11-26T20:00:00\.000Z\n\n— vendor\.example\/vaultspan\/tenants\/tenant-0 \S+\n$/,
  );
  const keys = publicKeysIn(`${new MemoryKey().pem}${key.pem}`);
  expect(keys).toHaveLength(2);
  expect(isSigned(note, keys)).toBe(true);
  expect(isSigned(note, [new MemoryKey().key])).toBe(false);
  expect(isSigned(note.replace('\n1\n', '\n2\n'), keys)).toBe(false);
  expect(isSigned(note.replace('20:00', '21:00'), keys)).toBe(false);
  expect(isSigned(note.replaceAll('tenant-0', 'tenant-1'), keys)).toBe(false);
  expect(verifierKey('name', key.publicKey)).toMatch(/^name\+[0-9a-f]{8}\+AjBZMBM/);
  await process.close();
});

describe.each(DATABASES)('checkpoints on %s', (_name, create) => {
  test('a process that is killed before or after it marks the vault leaves a state that the next one continues', async () => {
    await using created = await create();
    const database = await created.open();
    const key = new MemoryKey();
    const table = auditTable(database);
    await store(table, chainLines(A, 1));
    const killed = logProcess({ database, key });
    key.beforeMark = () => Promise.reject(new Error('killed'));
    await killed.run();
    key.beforeMark = async () => undefined;
    key.beforeSign = () => Promise.reject(new Error('killed'));
    await killed.run();
    expect(killed.failures).toHaveLength(1); // reported once
    expect(await noteOf(database)).toBe('');
    key.beforeSign = async () => undefined;
    const next = logProcess({ database, key });
    await next.run();
    expect(next.refusals).toEqual([]);
    expect(await sizeOf(database)).toBe(1);
    await Promise.all([killed.close(), next.close()]);
  });

  test('while one process has the lease another signs nothing; one that lost it publishes nothing', async () => {
    await using created = await create();
    const database = await created.open();
    const key = new MemoryKey();
    const slow = logProcess({ database, key });
    const quick = logProcess({ database, key });
    await store(auditTable(database), chainLines(A, 1));
    let overtaken = 0;
    key.beforeSign = async () => {
      key.beforeSign = async () => undefined;
      await store(auditTable(database), chainLines(B, 1));
      await quick.run();
      overtaken = (await sizeOf(database)) ?? 0;
    };
    await slow.run();
    expect(overtaken).toBe(2);
    expect(await sizeOf(database)).toBe(2);
    expect(slow.checkpointer.signed()).toBe(0);
    expect([...slow.refusals, ...quick.refusals]).toEqual([]);

    const holder = logProcess({ database, key, checkpointer: { timing: { intervalMs: 1e9, leaseMs: 60_000 } } });
    await store(auditTable(database), chainLines(C, 1));
    let signedByOther = -1;
    key.beforeSign = async () => {
      const before = key.signed.length;
      await quick.checkpointer.run();
      signedByOther = key.signed.length - before;
    };
    await holder.run();
    expect(signedByOther).toBe(0);
    expect(await sizeOf(database)).toBe(3);
    await Promise.all([slow.close(), quick.close(), holder.close()]);
  });

  test('a round grows the trees that it signs and no others', async () => {
    await using created = await create();
    const database = await created.open();
    const key = new MemoryKey();
    const writer = new ChainWriter(A);
    const lines = [writer.open(START, undefined)];
    for (let n = 0; n < 40; n += 1)
      lines.push(writer.event(START + n, { ...eventOf(n), tenantId: `tenant-${n % 20}` }));
    await store(auditTable(database), lines);
    const grown: number[] = [];
    key.beforeMark = async () => {
      const heads = await database.read((db) => db.selectFrom('log_heads').select('edge_size').execute());
      grown.push(heads.filter(({ edge_size: size }) => size === 2).length);
    };
    const process = logProcess({ database, key, checkpointer: { signaturesPerSecond: 1 } });
    await process.run();
    expect(grown).toEqual([16, 20]);
    expect(process.checkpointer.signed()).toBe(20);
    expect(process.failures).toEqual([]);
    await process.close();
  });

  test('a database that was put back signs nothing, until the logs are restarted under another origin', async () => {
    await using created = await create();
    const database = await created.open();
    const key = new MemoryKey();
    const table = auditTable(database);
    const process = logProcess({ database, key });
    await store(table, chainLines(A, 1));
    await process.run();
    const restore = await snapshot(database);
    await store(table, chainLines(B, 1));
    await process.run();
    const signed = key.signed.length;

    await restore();
    // Other records take the numbers of the lost ones, and more than those.
    await store(table, chainLines(C, 20));
    const restored = logProcess({ database, key });
    await restored.run();
    await restored.run();
    expect(key.signed).toHaveLength(signed);
    expect(restored.refusals).toEqual([key.mark_]); // once, not each round
    expect(restored.checkpointer.state()).toBe('refused');
    expect(await sizeOf(database)).toBe(1);

    expect(await restartLogs({ table: checkpointTable(database), key, now: Date.now })).toBe(2);
    await restored.run();
    expect(restored.checkpointer.state()).toBeUndefined();
    expect(parseCheckpoint(await noteOf(database))?.origin).toBe(`${ORIGIN}/tenants/${TENANT}/2`);

    // Put back once more, to before the restart: its origin is not used again.
    await restore();
    await store(table, chainLines(C, 3));
    await restored.run();
    expect(restored.checkpointer.state()).toBe('refused');
    expect(await restartLogs({ table: checkpointTable(database), key, now: Date.now })).toBe(3);
    await Promise.all([process.close(), restored.close()]);
  });

  test('an empty database at a marked vault, and a marked database at an empty vault, sign nothing', async () => {
    await using created = await create();
    const database = await created.open();
    await store(auditTable(database), chainLines(A, 1));
    const foreign = new MemoryKey();
    foreign.mark_ = '1 of-another-database';
    const process = logProcess({ database, key: foreign });
    await process.run();
    expect(foreign.signed).toEqual([]);
    expect(process.refusals).toEqual([foreign.mark_]);

    const own = logProcess({ database, key: new MemoryKey() });
    await own.run();
    expect(await sizeOf(database)).toBe(1);
    await store(auditTable(database), chainLines(B, 1));
    const recreated = logProcess({ database, key: new MemoryKey() });
    await recreated.run();
    expect(recreated.refusals).toEqual([undefined]);
    expect(await sizeOf(database)).toBe(1);
    await Promise.all([process.close(), own.close(), recreated.close()]);
  });
});
