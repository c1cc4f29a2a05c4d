import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type FileSinkOptions, openFileSink } from '../../src/audit/chain/file-sink.ts';
import { dropOldDays } from '../../src/audit/retention/table-retention.ts';
import { Shipper, type ShipperOptions } from '../../src/audit/shipping/shipper.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { verifyTable } from '../../src/audit/verify/verify-table.ts';
import { ServiceError } from '../../src/errors.ts';
import { linesIn, newAuditTable, type TestTable } from '../support/audit-table.ts';
import { type Directory, eventOf, temporaryDirectory } from '../support/chains.ts';
import { recordEvents, recordsOf } from '../support/planned-file.ts';

const DAY_MS = 86_400_000;
const NEVER = 3_600_000;

interface Spool extends AsyncDisposable, TestTable {
  readonly directory: Directory;
  /** A process: its sink and its shipper, which ships when it is told to. */
  start(change?: Partial<ShipperOptions>, sink?: Partial<FileSinkOptions>): Promise<Process>;
  /** All records of all files, as the table has them when everything is shipped. */
  lines(): Promise<string[]>;
}
type Process = Awaited<ReturnType<typeof startProcess>>;

async function startProcess(
  directory: string,
  table: ShipperOptions['table'],
  change: Partial<ShipperOptions>,
  options: Partial<FileSinkOptions>,
) {
  const said: string[] = [];
  const sink = await openFileSink({ directory, maxFileBytes: 2000, limit: () => shipper?.limit(), ...options });
  const shipper: Shipper | undefined = new Shipper({
    directory,
    sink,
    table,
    maxSpoolBytes: 1_000_000,
    onTrouble: () => said.push('trouble'),
    onRecovery: () => said.push('recovery'),
    onBadFile: (file, problem) => said.push(`${file}: ${String(problem)}`),
    ...change,
    timing: {
      intervalMs: NEVER,
      retryMs: NEVER,
      scanMs: 0,
      idleMs: -1_000,
      keepMs: NEVER,
      closeMs: 5_000,
      ...change.timing,
    },
  });
  return { sink, shipper, said };
}

async function newSpool(): Promise<Spool> {
  const directory = await temporaryDirectory();
  const database = await newAuditTable();
  return {
    ...database,
    directory,
    start: (change = {}, sink = {}) => startProcess(directory.path, change.table ?? database.table, change, sink),
    lines: async () => {
      const texts = await Promise.all((await directory.files()).map(directory.read));
      const lines = texts.flatMap((text) => text.split('\n').slice(0, text.endsWith('\n') ? -1 : undefined));
      return lines.sort(byPlace);
    },
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const placeOf = (line: string) => JSON.parse(line) as { readonly chain: string; readonly sequence: number };
const byPlace = (a: string, b: string) => {
  const [left, right] = [placeOf(a), placeOf(b)];
  return left.chain === right.chain ? left.sequence - right.sequence : left.chain < right.chain ? -1 : 1;
};
const signal = new AbortController().signal;
const bad = (found: Awaited<ReturnType<typeof verifyTable>>) =>
  found.filter(({ firstBad, badLink }) => firstBad ?? badLink);

test('records go on into the table line by line, over many files, and verify there', async () => {
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

test('what processes left that were killed is shipped by the next one, each record once, without the torn line', async () => {
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
  expect(next.said).toContain(`${killed.sink.position().name}: the last line is torn`);
  expect(bad(await verifyTable(spool.table, signal))).toEqual([]);
});

test('a file that a living process writes is left to it', async () => {
  await using spool = await newSpool();
  const living = await spool.start();
  await Promise.all(recordEvents(living.sink, 0, 3));
  const other = await spool.start({ timing: { idleMs: 60_000 } });
  await other.shipper.ship();
  expect(await spool.table.lastSequence(living.sink.chain)).toBe(-1);
  const old = Date.now() / 1000 - 61;
  await utimes(join(spool.directory.path, living.sink.position().name), old, old);
  await other.shipper.ship();
  expect(await spool.table.lastSequence(living.sink.chain)).toBe(3);
  await Promise.all([living.sink.close(), other.sink.close()]);
});

test('a process that was only asleep loses nothing to the one that took it for gone', async () => {
  await using spool = await newSpool();
  const asleep = await spool.start({}, { maxFileBytes: 1e6 });
  await Promise.all(recordEvents(asleep.sink, 0, 5));
  const other = await spool.start({ timing: { keepMs: -1_000 } });
  await other.shipper.ship();
  await other.sink.record(eventOf(5));
  await Promise.all(recordEvents(asleep.sink, 6, 9));
  const before = await spool.lines();
  await other.shipper.ship();
  const shipped = new Set(await linesIn(spool.table));
  expect(before.filter((line) => !shipped.has(line))).toEqual([]);
  await Promise.all([asleep.sink.close(), other.sink.close()]);
});

test('while the database is away records are taken, and the trouble shows; it ends by itself', async () => {
  await using spool = await newSpool();
  let isAway: boolean = true;
  const table: ShipperOptions['table'] = {
    lastSequence: spool.table.lastSequence,
    add: async (rows) => {
      if (isAway) throw new ServiceError('registry-unavailable', 'away');
      await spool.table.add(rows);
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

test('what a dead process left ages too, though the database can not even say how far it came', async () => {
  await using spool = await newSpool();
  const dead = await spool.start({}, { maxFileBytes: 1e6 });
  await dead.sink.record(eventOf(0));
  await dead.sink.close();
  let now = Date.now();
  let isAway: boolean = true;
  const table: ShipperOptions['table'] = {
    add: spool.table.add,
    lastSequence: async (chain) => {
      if (isAway) throw new ServiceError('registry-unavailable', 'away');
      return spool.table.lastSequence(chain);
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

test('a spool over its bound takes no more records until the database has some of it', async () => {
  await using spool = await newSpool();
  const { sink, shipper } = await spool.start({ maxSpoolBytes: 5_000 });
  for (let n = 0; shipper.limit() === undefined; n += 1) await sink.record(eventOf(n));
  await expect(sink.record(eventOf(99))).rejects.toMatchObject({ code: 'audit-unavailable', reason: 'backlog' });
  expect(sink.trouble()).toContain('spool');
  // Another process beside it is refused as well once it knows what the first one left.
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

test('shipped files go after a while, and both the directory and the table verify', async () => {
  await using spool = await newSpool();
  const first = await spool.start();
  await Promise.all(recordEvents(first.sink, 0, 30));
  await first.sink.close();
  const { sink, shipper } = await spool.start({ timing: { keepMs: -1_000 } }, { maxFileBytes: 1e6 });
  await Promise.all(recordEvents(sink, 0, 10));
  await shipper.ship();
  await shipper.ship();
  expect(await readdir(spool.directory.path)).toEqual([sink.position().name]);
  await sink.close();
  await shipper.close();
  expect(bad(await verifyDirectories([spool.directory.path]))).toEqual([]);
  const inTable = await verifyTable(spool.table, signal);
  expect(bad(inTable)).toEqual([]);
  expect(inTable.map(({ chain, closed }) => [chain, closed])).toEqual([
    [first.sink.chain, true],
    [sink.chain, true],
  ]);
  // That the files were shipped is no excuse for rows that are missing.
  await spool.database.write((trx) => trx.deleteFrom('audit_records').where('sequence', '<', 2).execute());
  expect(bad(await verifyTable(spool.table, signal))).toHaveLength(2);
});

test('a line that is no record is passed over and named, and stops nothing', async () => {
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
  expect(said.length).toBeGreaterThanOrEqual(6);
  expect(shipper.trouble()).toBeUndefined();
  await sink.close();
});

test('a spool file that is taken away before it is shipped blocks nothing', async () => {
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
  expect(bad(await verifyTable(spool.table, signal))).not.toEqual([]);
});

test('tampering in the table is found, each kind in each place', async () => {
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
  expect(bad(await verifyTable(linesOf(whole), signal))).toEqual([]);
  for (const at of whole.slice(0, -1).keys()) {
    const line = whole[at] ?? '';
    const next = whole[at + 1] ?? '';
    const kinds = [whole.with(at, line.replace('"chain"', '"Chain"')), whole.toSpliced(at, 1)];
    kinds.push(whole.with(at, next).with(at + 1, line), whole.toSpliced(at, 0, line));
    for (const lines of kinds) expect(bad(await verifyTable(linesOf(lines), signal))).toHaveLength(1);
  }
  expect(await verifyTable(linesOf(whole.slice(0, -1)), signal)).toMatchObject([{ closed: false }]);
});

test('days past their retention are dropped, noted in the chain, and told from rows that somebody deleted', async () => {
  await using spool = await newSpool();
  let at = Date.now() - 10 * DAY_MS;
  const options = { now: () => at };
  const { sink, shipper } = await spool.start({}, options);
  for (; at < Date.now(); at += DAY_MS) await sink.record(eventOf(0));
  at -= DAY_MS;
  await shipper.ship();
  const before = await spool.table.days();
  expect(before).toHaveLength(11);
  const dropped = await dropOldDays({ table: spool.table, sink, days: 3 }, at);
  expect(await spool.table.days()).toEqual(before.filter((day) => !dropped.includes(day)));
  expect(dropped).toHaveLength(7);
  await shipper.ship();
  expect(await verifyTable(spool.table, signal)).toMatchObject([{ removed: 'retention' }]);
  expect(bad(await verifyTable(spool.table, signal))).toEqual([]);
  expect(await dropOldDays({ table: spool.table, sink, days: 3 }, at)).toEqual([]);

  // What was dropped doesn't come back from a file that another process finds.
  const later = await spool.start({ retentionMs: 3 * DAY_MS, now: () => at }, options);
  await later.shipper.ship();
  expect(Math.min(...(await spool.table.days()))).toBeGreaterThanOrEqual(Math.floor(at / DAY_MS) - 3);

  const [oldest = 0] = await spool.table.days();
  await spool.table.dropDay(oldest);
  expect(bad(await verifyTable(spool.table, signal))).toMatchObject([{ firstBad: { problem: 'start-missing' } }]);
  await Promise.all([sink.close(), later.sink.close()]);
});

test('what was past its retention before it could be shipped is noted, not shipped', async () => {
  await using spool = await newSpool();
  let at = Date.now() - 10 * DAY_MS;
  const old = await openFileSink({ directory: spool.directory.path, now: () => at });
  for (; at < Date.now(); at += DAY_MS) await old.record(eventOf(0));
  at -= DAY_MS;
  await old.close();
  const { sink, shipper } = await spool.start({ retentionMs: 3 * DAY_MS });
  await shipper.ship();
  await shipper.ship();
  const verified = await verifyTable(spool.table, signal);
  expect(bad(verified)).toEqual([]);
  expect(verified.map(({ chain, removed }) => [chain, removed])).toEqual([
    [old.chain, 'retention'],
    [sink.chain, undefined],
  ]);
  await sink.close();
});

test('a record of a removal is repeated when its day goes before what it explains', async () => {
  await using spool = await newSpool();
  const start = Date.now() - 20 * DAY_MS;
  const times = { idle: start, busy: start };
  const idle = await spool.start({}, { now: () => times.idle });
  const busy = await spool.start({}, { now: () => times.busy });
  const shipAll = () => Promise.all([idle.shipper.ship(), busy.shipper.ship()]);
  // The idle process's next record comes after the note of its first one is past its retention itself.
  times.busy = start + 5 * DAY_MS;
  await shipAll();
  await dropOldDays({ table: spool.table, sink: busy.sink, days: 3 }, times.busy);
  times.idle = start + 8 * DAY_MS;
  await idle.sink.record(eventOf(0));
  times.busy = start + 9 * DAY_MS + 1;
  await busy.sink.record(eventOf(1));
  await shipAll();
  expect(bad(await verifyTable(spool.table, signal))).toEqual([]);
  await dropOldDays({ table: spool.table, sink: busy.sink, days: 3 }, times.busy);
  await shipAll();
  expect(bad(await verifyTable(spool.table, signal))).toEqual([]);
  const notes = recordsOf(`${(await linesIn(spool.table)).join('\n')}\n`).filter(({ type }) => type === 'removed');
  expect(notes.map(({ removed }) => (removed as { chain: string }).chain)).toContain(idle.sink.chain);
  await Promise.all([idle.sink.close(), busy.sink.close()]);
});
