import { beforeEach, expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { dropOldDays } from '../../src/audit/retention/old-days.ts';
import { verifyTable } from '../../src/audit/verify/verify-table.ts';
import { dropWholeDay, linesIn } from '../support/audit-table.ts';
import { awayFromMidnight } from '../support/away-from-midnight.ts';
import { eventOf } from '../support/chains.ts';
import { recordsOf } from '../support/planned-file.ts';
import { badOnes, newSpool } from '../support/spool.ts';

const DAY_MS = 86_400_000;
beforeEach(awayFromMidnight);
const { signal } = new AbortController();

test('days past their retention are dropped, recorded in the chain, and distinguished from deleted rows', async () => {
  await using spool = await newSpool();
  const now = Date.now();
  let at = now - 10 * DAY_MS;
  const table = { ...spool.table, now: async () => at };
  const { sink, shipper } = await spool.start({ table, now: () => at });
  for (; at <= now; at += DAY_MS) await sink.record(eventOf(0));
  at -= DAY_MS;
  await shipper.ship();
  const before = await spool.table.days();
  expect(before).toHaveLength(11);
  const dropped = await dropOldDays({ table: spool.table, sink, days: 3 }, at);
  expect(await spool.table.days()).toEqual(before.filter((day) => !dropped.includes(day)));
  expect(dropped).toHaveLength(7);
  await shipper.ship();
  expect(await verifyTable(spool.table, signal)).toMatchObject([{ removed: 'retention' }]);
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
  expect(await dropOldDays({ table: spool.table, sink, days: 3 }, at)).toEqual([]);

  // Dropped records are not shipped again from a file that another process finds.
  const later = await spool.start({ table, retentionMs: 3 * DAY_MS, now: () => at });
  await later.shipper.ship();
  expect(Math.min(...(await spool.table.days()))).toBeGreaterThanOrEqual(Math.floor(at / DAY_MS) - 3);

  const [oldest = 0] = await spool.table.days();
  await dropWholeDay(spool.table, oldest);
  expect(badOnes(await verifyTable(spool.table, signal))).toMatchObject([{ firstBad: { problem: 'start-missing' } }]);
  await Promise.all([sink.close(), later.sink.close()]);
});

test('records past their retention before they could be shipped are recorded as removed, not shipped', async () => {
  await using spool = await newSpool();
  const now = Date.now();
  let at = now - 10 * DAY_MS;
  const old = await openFileSink({ directory: spool.directory.path, now: () => at });
  for (; at <= now; at += DAY_MS) await old.record(eventOf(0));
  at -= DAY_MS;
  await old.close();
  const { sink, shipper } = await spool.start({ retentionMs: 3 * DAY_MS });
  await shipper.ship();
  await shipper.ship();
  const verified = await verifyTable(spool.table, signal);
  expect(badOnes(verified)).toEqual([]);
  expect(verified.map(({ chain, removed }) => [chain, removed])).toEqual([
    [old.chain, 'retention'],
    [sink.chain, undefined],
  ]);
  await sink.close();
});

test('a removal record is repeated when its day is dropped before the records it explains', async () => {
  await using spool = await newSpool();
  const start = Date.now() - 20 * DAY_MS;
  const times = { idle: start, busy: start };
  const idle = await spool.start({ now: () => times.idle });
  const busy = await spool.start({ now: () => times.busy });
  const shipAll = () => Promise.all([idle.shipper.ship(), busy.shipper.ship()]);
  const workUntil = async (day: number) => {
    for (; times.busy < start + day * DAY_MS; times.busy += DAY_MS) await busy.sink.record(eventOf(0));
    await shipAll();
  };
  // The idle process's next record comes when the removal record of its first one is past its own
  // retention.
  await workUntil(6);
  await dropOldDays({ table: spool.table, sink: busy.sink, days: 3 }, times.busy);
  times.idle = start + 8 * DAY_MS;
  await idle.sink.record(eventOf(0));
  await workUntil(10);
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
  await dropOldDays({ table: spool.table, sink: busy.sink, days: 3 }, times.busy);
  await shipAll();
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
  const notes = recordsOf(`${(await linesIn(spool.table)).join('\n')}\n`).filter(({ type }) => type === 'removed');
  expect(notes.map(({ removed }) => (removed as { chain: string }).chain)).toContain(idle.sink.chain);
  await Promise.all([idle.sink.close(), busy.sink.close()]);
});

test('a day that cannot be dropped keeps the later ones: no chain lacks records in its middle', async () => {
  await using spool = await newSpool();
  const now = Date.now();
  let at = now - 10 * DAY_MS;
  const { sink, shipper } = await spool.start({ now: () => at });
  for (; at <= now; at += DAY_MS) await sink.record(eventOf(0));
  at -= DAY_MS;
  await shipper.ship();
  const before = await spool.table.days();
  // Records of this day are stored again and again, as by another process that ships old files.
  const busyDay = before[2];
  const table: typeof spool.table = {
    ...spool.table,
    dropDay: async (day, ends) => day !== busyDay && spool.table.dropDay(day, ends),
  };
  expect(await dropOldDays({ table, sink, days: 3 }, at)).toEqual(before.slice(0, 2));
  await shipper.ship();
  expect(await spool.table.days()).toEqual(before.slice(2));
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
  expect(await dropOldDays({ table: spool.table, sink, days: 3 }, at)).toHaveLength(5);
  await shipper.ship();
  expect(badOnes(await verifyTable(spool.table, signal))).toEqual([]);
  await sink.close();
});
