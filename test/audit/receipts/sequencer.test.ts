import { describe, expect, test } from '@jest/globals';
import { ChainWriter } from '../../../src/audit/chain/chain-writer.ts';
import { dayOf } from '../../../src/audit/days.ts';
import { parseCheckpoint } from '../../../src/audit/receipts/checkpoint.ts';
import { tilesOfTenant } from '../../../src/audit/receipts/log-reader.ts';
import { inclusionProof } from '../../../src/audit/receipts/proofs.ts';
import { auditTable } from '../../../src/database/tables/audit-table.ts';
import { logReader } from '../../../src/database/tables/log-reader.ts';
import { dropWholeDay } from '../../support/audit-table.ts';
import { chainLines, eventOf, START } from '../../support/chains.ts';
import { leafOf, rootOfInclusion, treeHash } from '../../support/merkle.ts';
import { entriesOf, logProcess, MemoryKey, store } from '../../support/receipts.ts';
import { DATABASES } from '../../support/sql-databases.ts';

const [A, B] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];

const ofTenant = (lines: readonly string[], tenantId: string): string[] =>
  lines.filter((line) => JSON.parse(line).tenantId === tenantId).map((line) => line.trimEnd());

describe.each(DATABASES)('the sequencer on %s', (_name, create) => {
  test('gives each record of a tenant the next number in its log, byte for byte, and signs its root', async () => {
    await using created = await create();
    const database = await created.open();
    const key = new MemoryKey();
    const process = logProcess({ database, key });
    const lines = chainLines(A, 1_300);
    const table = auditTable(database);
    await store(table, lines.slice(0, 700));
    await process.run();
    await store(table, lines.slice(700));
    await process.run();
    expect(process.failures).toEqual([]);
    const expected = ofTenant(lines, 'tenant-1');
    expect(await entriesOf(database, 'tenant-1')).toEqual(expected);
    expect(await entriesOf(database, 'tenant-0')).toEqual(ofTenant(lines, 'tenant-0'));
    expect(process.sequencer.counts()).toEqual({ entries: 1_040, lost: 0 });

    const reader = logReader(database);
    const signed = await reader.signed('tenant-1');
    const leaves = expected.map(leafOf);
    expect(parseCheckpoint(signed?.checkpoint ?? '')).toMatchObject({
      origin: 'vendor.example/vaultspan/tenants/tenant-1',
      size: expected.length,
      root: treeHash(leaves),
    });
    const tiles = tilesOfTenant(reader, 'tenant-1');
    for (const index of [0, 255, 256, expected.length - 1]) {
      const proof = await inclusionProof(tiles, index, leaves.length);
      expect(rootOfInclusion(leafOf(expected[index] ?? ''), index, leaves.length, proof)).toEqual(treeHash(leaves));
    }
    await process.close();
  });

  test('a chain that was removed, forgotten and shipped again gets no second entries', async () => {
    await using created = await create();
    const database = await created.open();
    const table = auditTable(database);
    const process = logProcess({ database, key: new MemoryKey() });
    const lines = chainLines(A, 40);
    await store(table, lines);
    await process.run();
    const expected = ofTenant(lines, 'tenant-1').length;
    expect(await dropWholeDay(table, dayOf(START))).toBe(true);
    await table.forgetChains(Date.now() + 60_000);
    for (const again of [lines.slice(0, 20), lines]) {
      await store(table, again);
      await process.run();
      expect(await entriesOf(database, 'tenant-1')).toHaveLength(expected);
      expect([process.failures, process.lost]).toEqual([[], []]);
    }
    expect(process.sequencer.counts()).toEqual({ entries: 32, lost: 0 });
    await process.close();
  });

  test('a log that grew by thousands between two checkpoints has the right root, whatever its lines contain', async () => {
    await using created = await create();
    const database = await created.open();
    const process = logProcess({ database, key: new MemoryKey() });
    const writer = new ChainWriter(A);
    const lines = [writer.open(START, undefined)];
    for (let n = 0; n < 3_000; n += 1)
      lines.push(writer.event(START + n, { ...eventOf(n), tenantId: 'tenant-1', principal: `Jürgen "\\${n}" 🔑` }));
    const leaves = ofTenant(lines, 'tenant-1').map(leafOf);
    for (const [from, to] of [
      [0, 2_701],
      [2_701, 3_001],
    ] as const) {
      await store(auditTable(database), lines.slice(from, to));
      await process.run();
      const { checkpoint = '' } = (await logReader(database).signed('tenant-1')) ?? {};
      expect(parseCheckpoint(checkpoint)).toMatchObject({ size: to - 1, root: treeHash(leaves.slice(0, to - 1)) });
    }
    const tiles = tilesOfTenant(logReader(database), 'tenant-1');
    const proof = await inclusionProof(tiles, 2_000, leaves.length);
    expect(rootOfInclusion(leaves[2_000] ?? Buffer.alloc(0), 2_000, leaves.length, proof)).toEqual(treeHash(leaves));
    expect(process.failures).toEqual([]);
    await process.close();
  });

  test('signs a log once for each time that it has news', async () => {
    await using created = await create();
    const database = await created.open();
    const key = new MemoryKey();
    const process = logProcess({ database, key });
    await store(auditTable(database), chainLines(A, 2));
    await process.run();
    expect(key.signed.map((text) => text.split('\n').slice(0, 2))).toEqual([
      ['vendor.example/vaultspan/tenants/tenant-0', '1'],
      ['vendor.example/vaultspan/tenants/tenant-1', '1'],
    ]);
    await process.run();
    expect(key.signed).toHaveLength(2);
    await process.close();
  });

  test('of two processes at the same time, each record is sequenced once', async () => {
    await using created = await create();
    const [one, two] = [await created.open(), await created.open()];
    const key = new MemoryKey();
    const [first, second] = [logProcess({ database: one, key }), logProcess({ database: two, key })];
    const lines = [chainLines(A, 1_500), chainLines(B, 1_500)];
    for (const chain of lines) await store(auditTable(one), chain);
    for (let round = 0; round < 4; round += 1) await Promise.all([first.run(), second.run()]);
    expect([...first.failures, ...second.failures]).toEqual([]);
    const entries = await entriesOf(one, 'tenant-2');
    expect(entries.toSorted()).toEqual(lines.flatMap((chain) => ofTenant(chain, 'tenant-2')).sort());
    const { checkpoint = '' } = (await logReader(one).signed('tenant-2')) ?? {};
    expect(parseCheckpoint(checkpoint)?.root).toEqual(treeHash(entries.map((line) => leafOf(line ?? ''))));
    await Promise.all([first.close(), second.close()]);
  });

  test('a record that is missing holds up its own chain only, and keeps its place when it arrives', async () => {
    await using created = await create();
    const database = await created.open();
    const timing = { intervalMs: 1e9, lostAfterMs: 1e9, searchMs: 0 };
    const process = logProcess({ database, key: new MemoryKey(), sequencer: { timing } });
    const table = auditTable(database);
    const [waiting, other] = [chainLines(A, 6), chainLines(B, 6)];
    await store(table, [...waiting.slice(0, 2), ...waiting.slice(3)]);
    await store(table, other);
    await process.run();
    expect(await entriesOf(database, 'tenant-0')).toEqual([
      ...ofTenant(waiting.slice(0, 2), 'tenant-0'),
      ...ofTenant(other, 'tenant-0'),
    ]);
    await store(table, waiting.slice(2, 3));
    await process.run();
    await process.run();
    expect(await entriesOf(database, 'tenant-1')).toEqual([
      ...ofTenant(other, 'tenant-1'),
      ...ofTenant(waiting, 'tenant-1'),
    ]);
    expect(process.lost).toEqual([]);
    await process.close();
  });

  test('a gap that never fills becomes an entry of every tenant of its chain, and late records follow', async () => {
    await using created = await create();
    const database = await created.open();
    const now = () => START;
    const process = logProcess({ database, key: new MemoryKey(), now });
    const table = auditTable(database);
    const lines = lateTenantChain();
    await store(table, [...lines.slice(0, 3), ...lines.slice(6)]);
    await process.run(); // the gap is noticed
    await process.run(); // and given up
    await process.run();
    expect(process.lost).toEqual([{ chain: A, first: 3, last: 5 }]);
    const lost = (tenantId: string) =>
      `{"type":"lost","tenantId":"${tenantId}","chain":"${A}","first":3,"last":5,"at":"${new Date(START).toISOString()}"}`;
    const [before, after] = [lines.slice(0, 3), lines.slice(6)];
    expect(await entriesOf(database, 'known')).toEqual([
      ...ofTenant(before, 'known'),
      lost('known'),
      ...ofTenant(after, 'known'),
    ]);
    expect(await entriesOf(database, 'late')).toEqual([lost('late'), ...ofTenant(after, 'late')]);
    expect(await entriesOf(database, 'new')).toEqual(ofTenant(after, 'new'));

    await store(table, lines.slice(3, 6));
    await process.run();
    await process.run();
    expect((await entriesOf(database, 'late')).slice(2)).toEqual(ofTenant(lines.slice(3, 6), 'late'));
    expect((await entriesOf(database, 'known')).at(-1)).toBe(ofTenant(lines.slice(3, 6), 'known')[0]);
    expect(process.failures).toEqual([]);
    await process.close();
  });

  test('chains that a process of an older release stored are found', async () => {
    await using created = await create();
    const database = await created.open();
    const lines = chainLines(A, 4);
    await store(auditTable(database), lines);
    await database.write((trx) => trx.deleteFrom('audit_chains').execute());
    const process = logProcess({ database, key: new MemoryKey() });
    await process.run();
    expect(await entriesOf(database, 'tenant-0')).toEqual(ofTenant(lines, 'tenant-0'));
    await process.close();
  });
});

/** Returns a chain in which `late` first appears among records 3 to 5, and `new` only after them. */
function lateTenantChain(): string[] {
  const writer = new ChainWriter(A);
  const open = writer.open(START, undefined);
  const tenants = ['known', 'known', 'late', 'known', 'late', 'late', 'known', 'new'];
  const events = tenants.map((tenantId, n) => writer.event(START + n, { ...eventOf(n), tenantId }));
  return [open, ...events];
}
