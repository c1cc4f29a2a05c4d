import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { ShipperOptions } from '../../src/audit/shipping/shipper.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { verifyTable } from '../../src/audit/verify/verify-table.ts';
import { ServiceError } from '../../src/errors.ts';
import { linesIn } from '../support/audit-table.ts';
import { eventOf } from '../support/chains.ts';
import { recordEvents } from '../support/planned-file.ts';
import { badOnes, newSpool, placeOf } from '../support/spool.ts';

const { signal } = new AbortController();

test('records are shipped to the table line by line, over many files, and verify there', async () => {
  await using spool = await newSpool();
  const { sink, shipper } = await spool.start();
  await Promise.all(recordEvents(sink, 0, 300));
  expect(shipper.backlog().bytes).toBeGreaterThan(10_000);
  await shipper.ship();
  expect(shipper.backlog()).toEqual({ bytes: 0, ageSeconds: 0 });
  for (let n = 300; n < 330; n += 1) {
    await sink.record(eventOf(n));
    if (n % 7 === 0) await shipper.ship();
  }
  await sink.close();
  await shipper.close();
  expect(await linesIn(spool.table)).toEqual(await spool.lines());
  expect(await verifyTable(spool.table, signal)).toEqual([
    { file: sink.chain, chain: sink.chain, records: 332, closed: true },
  ]);
});

test('the next process ships the records of killed processes, each once, without the torn line', async () => {
  await using spool = await newSpool();
  const killed = await spool.start();
  await Promise.all(recordEvents(killed.sink, 0, 20));
  await killed.shipper.ship();
  await Promise.all(recordEvents(killed.sink, 20, 40));
  await writeFile(join(spool.directory.path, killed.sink.position().name), '{"chain":"', { flag: 'a' });
  const [next, other] = await Promise.all([spool.start(), spool.start()]);
  await Promise.all([next.shipper.ship(), other.shipper.ship()]);
  await Promise.all([next.sink.close(), other.sink.close()]);
  await Promise.all([next.shipper.close(), other.shipper.close()]);
  const lines = await linesIn(spool.table);
  expect(lines.map((line) => placeOf(line).chain).filter((chain) => chain === killed.sink.chain)).toHaveLength(41);
  expect(next.said).toContain(`${killed.sink.position().name}: the last line is incomplete`);
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
});

test('a file that a living process writes is left to it', async () => {
  await using spool = await newSpool();
  const living = await spool.start();
  await Promise.all(recordEvents(living.sink, 0, 3));
  const other = await spool.start({ timing: { idleMs: 60_000 } });
  await other.shipper.ship();
  expect(await spool.table.last(living.sink.chain)).toBeUndefined();
  const old = Date.now() / 1000 - 61;
  await utimes(join(spool.directory.path, living.sink.position().name), old, old);
  await other.shipper.ship();
  expect(await spool.table.last(living.sink.chain)).toMatchObject({ sequence: 3 });
  await Promise.all([living.sink.close(), other.sink.close()]);
});

test('a process that was only suspended loses nothing to one that considered it dead', async () => {
  await using spool = await newSpool();
  const asleep = await spool.start({}, { maxFileBytes: 1e6 });
  await Promise.all(recordEvents(asleep.sink, 0, 5));
  const other = await spool.start({ keepMs: -1_000 });
  await other.shipper.ship();
  await other.sink.record(eventOf(5));
  await Promise.all(recordEvents(asleep.sink, 6, 9));
  const before = await spool.lines();
  await other.shipper.ship();
  const shipped = new Set(await linesIn(spool.table));
  expect(before.filter((line) => !shipped.has(line))).toEqual([]);
  await Promise.all([asleep.sink.close(), other.sink.close()]);
});

test('while the database is unreachable records are accepted, and readiness reports it until it recovers', async () => {
  await using spool = await newSpool();
  let isAway: boolean = true;
  const table: ShipperOptions['table'] = {
    ...spool.table,
    add: async (rows) => {
      if (isAway) throw new ServiceError('registry-unavailable', 'away');
      return spool.table.add(rows);
    },
  };
  const { sink, shipper, said } = await spool.start({ table, timing: { retryMs: 1, intervalMs: 1 } });
  await sink.record(eventOf(0));
  while (shipper.trouble() === undefined) await new Promise(setImmediate);
  await Promise.all(recordEvents(sink, 1, 10));
  expect(shipper.backlog().bytes).toBeGreaterThan(0);
  expect(sink.trouble()).toBeUndefined();
  isAway = false;
  while (shipper.backlog().bytes > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await sink.close();
  await shipper.close();
  expect([shipper.trouble(), said]).toEqual([undefined, ['trouble', 'recovery']]);
  expect(await linesIn(spool.table)).toEqual(await spool.lines());
});

test('records of a dead process age too, even before the database can report its position', async () => {
  await using spool = await newSpool();
  const dead = await spool.start({}, { maxFileBytes: 1e6 });
  await dead.sink.record(eventOf(0));
  await dead.sink.close();
  let now = Date.now();
  let isAway: boolean = true;
  const table: ShipperOptions['table'] = {
    ...spool.table,
    last: async (chain) => {
      if (isAway) throw new ServiceError('registry-unavailable', 'away');
      return spool.table.last(chain);
    },
  };
  const { sink, shipper } = await spool.start({ table, now: () => now });
  await shipper.ship();
  now += 400_000;
  await shipper.ship();
  expect(shipper.backlog().ageSeconds).toBeGreaterThanOrEqual(400);
  isAway = false;
  await shipper.ship();
  expect(shipper.backlog()).toEqual({ bytes: 0, ageSeconds: 0 });
  await sink.record(eventOf(1));
  expect(shipper.backlog().ageSeconds).toBe(0);
  await sink.close();
  await shipper.close();
});

test('a spool over its limit accepts no records until the database has some of it', async () => {
  await using spool = await newSpool();
  const { sink, shipper } = await spool.start({ maxSpoolBytes: 5_000 });
  for (let n = 0; shipper.limit() === undefined; n += 1) await sink.record(eventOf(n));
  await expect(sink.record(eventOf(99))).rejects.toMatchObject({ code: 'audit-unavailable', reason: 'backlog' });
  expect(sink.trouble()).toContain('spool');
  // Another process is refused too once it knows the waiting records of the first one.
  const other = await spool.start({
    maxSpoolBytes: 5_000,
    table: { ...spool.table, add: () => Promise.reject(new Error('away')) },
  });
  await other.shipper.ship();
  await expect(other.sink.record(eventOf(0))).rejects.toMatchObject({ reason: 'backlog' });
  await shipper.ship();
  await sink.record(eventOf(100));
  expect(sink.trouble()).toBeUndefined();
  await Promise.all([sink.close(), other.sink.close()]);
});

test('shipped files are removed after a while, and both the directory and the table verify', async () => {
  await using spool = await newSpool();
  const first = await spool.start();
  await Promise.all(recordEvents(first.sink, 0, 30));
  await first.sink.close();
  const { sink, shipper } = await spool.start({ keepMs: -1_000 }, { maxFileBytes: 1e6 });
  await Promise.all(recordEvents(sink, 0, 10));
  await shipper.ship();
  await shipper.ship();
  expect(await readdir(spool.directory.path)).toEqual([sink.position().name]);
  await sink.close();
  await shipper.close();
  expect(badOnes(await verifyDirectories([spool.directory.path]))).toEqual([]);
  const inTable = await verifyTable(spool.table, signal);
  expect(badOnes(inTable)).toEqual([]);
  expect(inTable.map(({ chain, closed }) => [chain, closed])).toEqual([
    [first.sink.chain, true],
    [sink.chain, true],
  ]);
  // The removal of shipped files does not excuse missing rows.
  await spool.database.write((trx) => trx.deleteFrom('audit_records').where('sequence', '<', 2).execute());
  expect(badOnes(await verifyTable(spool.table, signal))).toHaveLength(2);
});

test('a line that is no record is skipped and reported, and does not block others', async () => {
  await using spool = await newSpool();
  const before = await spool.start();
  await before.sink.record(eventOf(0));
  const { name } = before.sink.position();
  await before.sink.close();
  const text = await spool.directory.read(name);
  const future = text.replaceAll(/"at":"\d{4}/g, '"at":"2999');
  const poison = text.replace('request-0', 'request-\0');
  await writeFile(join(spool.directory.path, name), `${text}nonsense\n${future}${poison}null\n`);
  const { sink, shipper, said } = await spool.start();
  await shipper.ship();
  expect((await linesIn(spool.table)).filter((line) => placeOf(line).chain === before.sink.chain)).toEqual(
    text.trimEnd().split('\n'),
  );
  expect(said).toEqual([`${name}: a line is not a record of this chain, or is out of order`]);
  expect(shipper.trouble()).toBeUndefined();
  await sink.close();
});

test('a spool file that is removed before it is shipped does not block others', async () => {
  await using spool = await newSpool();
  const { sink, shipper } = await spool.start();
  await Promise.all(recordEvents(sink, 0, 30));
  const { name } = sink.position();
  await sink.record(eventOf(30));
  for (const file of await spool.directory.files()) if (file <= name) await rm(join(spool.directory.path, file));
  await shipper.ship();
  expect(shipper.backlog().bytes).toBe(0);
  await sink.close();
  await shipper.close();
  expect(badOnes(await verifyTable(spool.table, signal))).not.toEqual([]);
});

test('tampering in the table is detected, each kind in each place', async () => {
  await using spool = await newSpool();
  const { sink, shipper } = await spool.start();
  await Promise.all(recordEvents(sink, 0, 6));
  await sink.close();
  await shipper.close();
  const rows = await spool.table.following(sink.chain, -1, 100);
  const linesOf = (lines: readonly string[]) => ({
    nextChain: async (after: string) => (after === '' ? rows[0] : undefined),
    following: async (_chain: string, sequence: number) =>
      sequence === -1 ? lines.map((line, at) => ({ chain: sink.chain, at: 0, sequence: at, line })) : [],
  });
  const whole = rows.map(({ line }) => line);
  expect(badOnes(await verifyTable(linesOf(whole), signal))).toEqual([]);
  for (const at of whole.slice(0, -1).keys()) {
    const line = whole[at] ?? '';
    const next = whole[at + 1] ?? '';
    const kinds = [whole.with(at, line.replace('"chain"', '"Chain"')), whole.toSpliced(at, 1)];
    kinds.push(whole.with(at, next).with(at + 1, line), whole.toSpliced(at, 0, line));
    for (const lines of kinds) expect(badOnes(await verifyTable(linesOf(lines), signal))).toHaveLength(1);
  }
  expect(await verifyTable(linesOf(whole.slice(0, -1)), signal)).toMatchObject([{ closed: false }]);
});

test('the next process detects a file that was cut at the end of a line, because the table has more', async () => {
  await using spool = await newSpool();
  const ended = await spool.start({}, { maxFileBytes: 1e6 });
  await Promise.all(recordEvents(ended.sink, 0, 10));
  await ended.sink.close();
  await ended.shipper.close();
  const { name } = ended.sink.position();
  const whole = await spool.directory.read(name);
  await writeFile(join(spool.directory.path, name), `${whole.split('\n').slice(0, 5).join('\n')}\n`);
  const { sink, shipper, said } = await spool.start();
  await shipper.ship();
  expect(said).toEqual([`${name}: the database has later records of this chain: the end of the file was cut off`]);
  await sink.close();
});
