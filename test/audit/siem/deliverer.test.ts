import { describe, expect, test } from '@jest/globals';
import { type DelivererOptions, SiemDeliverer } from '../../../src/audit/siem/deliverer.ts';
import { type OcsfEvent, ocsfEvent } from '../../../src/audit/siem/ocsf.ts';
import { SiemFailure } from '../../../src/audit/siem/siem-failure.ts';
import type { SqlDatabase } from '../../../src/database/open-database.ts';
import { auditTable } from '../../../src/database/tables/audit-table.ts';
import { siemCursors } from '../../../src/database/tables/siem-cursors.ts';
import { chainLines } from '../../support/chains.ts';
import { logProcess, MemoryKey, store } from '../../support/receipts.ts';
import { DATABASES } from '../../support/sql-databases.ts';
import { TestClock } from '../../support/test-clock.ts';

const CHAIN = '11111111-1111-4111-8111-111111111111';
const TENANT = 'tenant-1';
const DAY_SECONDS = 86_400;

/** What a customer's SIEM has, and how it answers. */
class FakeSiem {
  readonly accepted: OcsfEvent[] = [];
  calls = 0;
  refusal: (events: readonly OcsfEvent[]) => SiemFailure | undefined = () => undefined;
  /** Runs after the events are accepted, before the sender knows it. */
  afterwards: () => Promise<void> = async () => undefined;

  async send(events: readonly OcsfEvent[]): Promise<void> {
    this.calls += 1;
    const refusal = this.refusal(events);
    if (refusal) throw refusal;
    this.accepted.push(...events);
    await this.afterwards();
  }
}

const sequenceOf = ({ metadata }: OcsfEvent) => (metadata as { readonly sequence: number }).sequence;

/** Returns one process's deliverer, which runs only when it is told to. */
function delivererOn(
  database: SqlDatabase,
  siem: FakeSiem,
  clock: TestClock,
  changes: Partial<DelivererOptions<string>> = {},
) {
  const failing: string[] = [];
  const skipped: number[] = [];
  const deliverer = new SiemDeliverer<string>({
    table: siemCursors(database),
    findTarget: async (tenantId) => tenantId,
    send: (_target, events) => siem.send(events),
    eventOf: (line, tenantId, sequence) => ocsfEvent(line, { tenantId, sequence, version: '0.1.0' }),
    now: () => clock.wallMs(),
    timing: { intervalMs: 1_000_000_000 },
    onFailing: (_tenantId, { reason }) => failing.push(reason),
    onRecovery: () => failing.push('recovered'),
    onSkipped: (_tenantId, sequence) => skipped.push(sequence),
    onTrouble: (error) => failing.push(String(error)),
    onEnd: () => undefined,
    ...changes,
  });
  return { deliverer, failing, skipped };
}

/** Returns a database with numbered records of one tenant, which follow the start of its deliveries. */
async function withRecords(database: SqlDatabase, clock: TestClock, count: number): Promise<number> {
  await siemCursors(database).follow([TENANT], clock.wallMs());
  const process = logProcess({ database, key: new MemoryKey() });
  await store(auditTable(database), chainLines(CHAIN, count));
  await process.sequencer.run();
  await process.close();
  return (await siemCursors(database).find(TENANT))?.waiting ?? 0;
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at);

describe.each(DATABASES)('deliveries on %s', (_name, create) => {
  test('every record once and in order, in calls of at most 500', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const size = await withRecords(database, clock, 4_000);
    expect(size).toBeGreaterThan(1_000);
    const siem = new FakeSiem();
    const { deliverer } = delivererOn(database, siem, clock);
    await deliverer.run();
    expect(siem.accepted.map(sequenceOf)).toEqual(numbers(size));
    expect(siem.calls).toBe(Math.ceil(size / 500));
    await deliverer.run();
    expect(siem.calls).toBe(Math.ceil(size / 500));
    expect(await siemCursors(database).find(TENANT)).toMatchObject({ waiting: 0, trouble: undefined });
    await deliverer.close();
  });

  test('an outage of a day: few calls, and every record afterwards', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const size = await withRecords(database, clock, 100);
    const siem = new FakeSiem();
    siem.refusal = () => new SiemFailure('siem-unavailable', 'down');
    const { deliverer, failing } = delivererOn(database, siem, clock);
    for (let minute = 0; minute < DAY_SECONDS / 60; minute += 5) {
      await deliverer.run();
      clock.advance(300);
    }
    expect(siem.calls).toBeLessThan(200); // one each 7.5 to 15 minutes
    const table = siemCursors(database);
    expect(await table.find(TENANT)).toMatchObject({ waiting: size, trouble: { reason: 'siem-unavailable' } });
    expect(await table.lag(clock.wallMs())).toMatchObject({ failing: 1 });
    siem.refusal = () => undefined;
    clock.advance(900);
    await deliverer.run();
    expect(siem.accepted.map(sequenceOf)).toEqual(numbers(size));
    expect(failing).toEqual(['siem-unavailable', 'recovered']);
    expect(await table.lag(clock.wallMs())).toEqual({ seconds: 0, failing: 0 });
    await deliverer.close();
  });

  test('Retry-After is kept', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    await withRecords(database, clock, 10);
    const siem = new FakeSiem();
    siem.refusal = () => new SiemFailure('siem-throttled', 'slow down', { retryAfter: 120 });
    const { deliverer } = delivererOn(database, siem, clock);
    await deliverer.run();
    clock.advance(119);
    await deliverer.run();
    expect(siem.calls).toBe(1);
    clock.advance(1);
    await deliverer.run();
    expect(siem.calls).toBe(2);
    await deliverer.close();
  });

  test('a call that is too large is split; a record that is too large alone is left out and reported', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const size = await withRecords(database, clock, 40);
    const siem = new FakeSiem();
    siem.refusal = (events) =>
      events.length > 8 || events.some((event) => sequenceOf(event) === 5)
        ? new SiemFailure('siem-too-large', 'too large')
        : undefined;
    const { deliverer, skipped } = delivererOn(database, siem, clock);
    for (let turn = 0; turn < 5; turn += 1) {
      await deliverer.run();
      clock.advance(60);
    }
    expect(siem.accepted.map(sequenceOf)).toEqual(numbers(size).filter((sequence) => sequence !== 5));
    expect(skipped).toEqual([5]);
    await deliverer.close();
  });

  test('a process that dies after the SIEM has accepted: duplicates under the same ids, and no gap', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const size = await withRecords(database, clock, 30);
    const siem = new FakeSiem();
    siem.afterwards = () => Promise.reject(new Error('killed'));
    const dying = delivererOn(database, siem, clock);
    await dying.deliverer.run();
    expect(siem.accepted).toHaveLength(size);
    siem.afterwards = async () => undefined;
    const next = delivererOn(await created.open(), siem, clock);
    await next.deliverer.run();
    expect(siem.accepted).toHaveLength(size); // the lease still runs
    clock.advance(121);
    await next.deliverer.run();
    expect(siem.accepted.map(sequenceOf)).toEqual([...numbers(size), ...numbers(size)]);
    expect(siem.accepted.slice(size)).toEqual(siem.accepted.slice(0, size));
    await dying.deliverer.close();
    await next.deliverer.close();
  });

  test('four processes: no record twice, and one call at a time for a tenant', async () => {
    await using created = await create();
    const clock = new TestClock();
    const databases = await Promise.all([1, 2, 3, 4].map(() => created.open()));
    const [first] = databases;
    if (!first) throw new Error('no database');
    const size = await withRecords(first, clock, 200);
    const siem = new FakeSiem();
    let underWay = 0;
    let most = 0;
    siem.refusal = () => {
      underWay += 1;
      most = Math.max(most, underWay);
      return undefined;
    };
    siem.afterwards = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      underWay -= 1;
    };
    const processes = databases.map((database) => delivererOn(database, siem, clock).deliverer);
    await Promise.all(processes.map((deliverer) => deliverer.run()));
    expect(siem.accepted.map(sequenceOf)).toEqual(numbers(size));
    expect(most).toBe(1);
    await Promise.all(processes.map((deliverer) => deliverer.close()));
  });

  test('a tenant without SIEM gets nothing, and resumes where it ended', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const size = await withRecords(database, clock, 20);
    const siem = new FakeSiem();
    const without = delivererOn(database, siem, clock, {
      findTarget: async (tenantId) => {
        await siemCursors(database).unfollow([tenantId]);
        return undefined;
      },
    });
    await without.deliverer.run();
    expect(siem.calls).toBe(0);
    const { deliverer } = delivererOn(database, siem, clock);
    await deliverer.run();
    expect(siem.calls).toBe(0);
    await siemCursors(database).follow([TENANT], clock.wallMs());
    await deliverer.run();
    expect(siem.accepted.map(sequenceOf)).toEqual(numbers(size));
    await without.deliverer.close();
    await deliverer.close();
  });

  test('deliveries begin with the first record after they were set up', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const process = logProcess({ database, key: new MemoryKey() });
    const lines = chainLines(CHAIN, 60);
    await store(auditTable(database), lines.slice(0, 30));
    await process.sequencer.run();
    await siemCursors(database).follow([TENANT], clock.wallMs());
    expect(await siemCursors(database).find(TENANT)).toMatchObject({ waiting: 0 });
    await store(auditTable(database), lines.slice(30));
    await process.sequencer.run();
    const { waiting = 0 } = (await siemCursors(database).find(TENANT)) ?? {};
    const siem = new FakeSiem();
    const { deliverer } = delivererOn(database, siem, clock);
    await deliverer.run();
    expect(siem.accepted).toHaveLength(waiting);
    expect(waiting).toBeGreaterThan(0);
    await process.close();
    await deliverer.close();
  });
});
