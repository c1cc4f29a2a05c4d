import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import type { AuditTable } from '../../src/audit/audit-table.ts';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { ClockWatch } from '../../src/audit/clock-watch.ts';
import { Retention } from '../../src/audit/retention/retention.ts';
import { shipFiles } from '../../src/audit/shipping/ship-files.ts';
import { verifyTable } from '../../src/audit/verify/verify-table.ts';
import { linesIn } from '../support/audit-table.ts';
import { awayFromMidnight } from '../support/away-from-midnight.ts';
import { type Directory, eventOf, temporaryDirectory } from '../support/chains.ts';
import { badOnes, newSpool, placeOf, type Spool } from '../support/spool.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;
beforeEach(awayFromMidnight);
const { signal } = new AbortController();
const aheadBy = (days: number) => () => Date.now() + days * DAY_MS;

/** Runs the retention once, with 30 days, on a clock of its own. */
async function retain(log: { directory: Directory; table?: AuditTable }, now: () => number) {
  const [removed, failures, differences]: [unknown[], unknown[], number[]] = [[], [], []];
  const clocks = new ClockWatch({ now, onDisagreement: (seconds) => differences.push(seconds), onAgreement: () => 0 });
  const sink = await openFileSink({ directory: log.directory.path, now });
  const retention = new Retention({
    directory: log.directory.path,
    sink,
    table: log.table,
    days: 30,
    clocks,
    onRemoved: (names) => removed.push(...names),
    onFailure: (error) => failures.push(error),
  });
  await retention.close();
  await sink.close();
  expect(failures).toEqual([]);
  return { removed, trouble: clocks.trouble(), differences };
}

/** Ships one record of each of the last days, today's included. */
async function shipDays(spool: Spool, days: number): Promise<void> {
  let at = Date.now() - (days - 1) * DAY_MS;
  const { sink, shipper } = await spool.start({}, { now: () => at });
  for (let n = 0; n < days; n += 1, at += DAY_MS) await sink.record(eventOf(n));
  await shipper.ship();
}

test('a process whose clock is 40 days ahead removes no day of the table and reports the difference', async () => {
  await using spool = await newSpool();
  await shipDays(spool, 35);
  const before = await spool.table.days();
  const { removed, trouble, differences } = await retain(spool, aheadBy(40));
  expect(removed).toEqual([]);
  expect(await spool.table.days()).toEqual(expect.arrayContaining([...before]));
  expect(differences).toEqual([-40 * 86_400]);
  expect(trouble).toContain('differs');
  const right = await retain(spool, Date.now);
  expect([right.removed.length, right.trouble]).toEqual([4, undefined]);
});

test('when the clocks of database and process are 40 days ahead, the newest days with records stay', async () => {
  await using spool = await newSpool();
  await shipDays(spool, 35);
  const [oldest = 0] = await spool.table.days();
  const table = { ...spool.table, now: async () => aheadBy(40)() };
  const { removed } = await retain({ ...spool, table }, aheadBy(40));
  expect(removed).toEqual([oldest, oldest + 1, oldest + 2, oldest + 3]);
  expect((await retain({ ...spool, table }, aheadBy(41))).removed).toEqual([]);
});

/** Writes files of the last days, each as old as its day. */
async function fileDays(days: number) {
  const directory = await temporaryDirectory();
  let at = Date.now() - (days - 1) * DAY_MS;
  const sink = await openFileSink({ directory: directory.path, now: () => at });
  for (let n = 0; n < days; n += 1, at += DAY_MS) {
    await sink.record(eventOf(n));
    await utimes(join(directory.path, sink.position().name), at / 1000, at / 1000);
  }
  return directory;
}

test('files: a clock 40 days ahead removes at most as many days as it adds', async () => {
  await using directory = await fileDays(31);
  const before = await directory.files();
  expect((await retain({ directory }, aheadBy(40))).removed).toEqual([before[0]]);
  await using right = await fileDays(35);
  expect((await retain({ directory: right }, Date.now)).removed).toHaveLength(4);
});

test('files: a file from the future shows a wrong clock, and nothing is removed', async () => {
  await using directory = await fileDays(35);
  const wrong = await openFileSink({ directory: directory.path, now: aheadBy(2) });
  await wrong.close();
  const { removed, trouble } = await retain({ directory }, Date.now);
  expect([removed, trouble]).toEqual([[], expect.stringContaining('differs')]);
});

test('records of a clock that is far ahead are shipped under their day, and the rest is shipped after a restart', async () => {
  await using spool = await newSpool();
  const now = aheadBy(40);
  const wrong = await spool.start({ now, retentionMs: 30 * DAY_MS });
  await wrong.sink.record(eventOf(0));
  await wrong.shipper.ship();
  await wrong.shipper.ship();
  expect(wrong.said).toEqual([`clocks differ by ${-40 * 86_400} s`]);
  await wrong.sink.record(eventOf(1));
  await wrong.sink.close();
  const future = now() / 1000;
  await utimes(join(spool.directory.path, wrong.sink.position().name), future, future);
  const { sink, shipper } = await spool.start({ retentionMs: 30 * DAY_MS, timing: { idleMs: 20 } });
  await until(async () => {
    await shipper.ship();
    return (await spool.table.last(wrong.sink.chain))?.sequence === 3;
  });
  await sink.close();
  await shipper.close();
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
  expect(await linesIn(spool.table)).toEqual(await spool.lines());
});

test("records of a clock that is far behind are shipped under the database's day", async () => {
  await using spool = await newSpool();
  const wrong = await spool.start({ now: () => 86_400_000, retentionMs: 30 * DAY_MS });
  await wrong.sink.record(eventOf(0));
  await wrong.shipper.ship();
  expect(await spool.table.days()).toEqual([Math.floor(Date.now() / DAY_MS)]);
  expect((await linesIn(spool.table)).map((line) => placeOf(line).chain)).toEqual([wrong.sink.chain, wrong.sink.chain]);
  // `audit ship --all` stores nothing twice, nor does the process after it.
  const shipAll = () => shipFiles(spool.table, spool.directory.path, signal);
  expect(await shipAll()).toMatchObject({ records: 2, added: 0 });
  await wrong.sink.record(eventOf(1));
  expect(await shipAll()).toMatchObject({ records: 3, added: 1 });
  await wrong.sink.record(eventOf(2));
  await wrong.shipper.ship();
  const stored = await spool.table.following(wrong.sink.chain, -1, 10);
  expect(stored.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
  await wrong.sink.close();
});

test("a process whose clock is ahead does not treat others' records as too old", async () => {
  await using spool = await newSpool();
  const dead = await spool.start();
  await dead.sink.record(eventOf(0));
  await dead.sink.close();
  const wrong = await spool.start({ now: aheadBy(40), retentionMs: 30 * DAY_MS });
  await wrong.shipper.ship();
  expect(await spool.table.last(dead.sink.chain)).toMatchObject({ sequence: 2 });
  await wrong.sink.close();
});
