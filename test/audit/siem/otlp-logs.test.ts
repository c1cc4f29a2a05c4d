import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { SiemDeliverer } from '../../../src/audit/siem/deliverer.ts';
import { chainEvent } from '../../../src/audit/siem/ocsf.ts';
import { otlpLogs } from '../../../src/audit/siem/otlp-logs.ts';
import { SiemFailure } from '../../../src/audit/siem/siem-failure.ts';
import type { SqlDatabase } from '../../../src/database/open-database.ts';
import { auditTable } from '../../../src/database/tables/audit-table.ts';
import { otlpCursors } from '../../../src/database/usage/otlp-cursors.ts';
import { chainLines } from '../../support/chains.ts';
import { attributesOf, type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { store } from '../../support/receipts.ts';
import { DATABASES } from '../../support/sql-databases.ts';
import { TestClock } from '../../support/test-clock.ts';

const CHAIN = '11111111-1111-4111-8111-111111111111';

let receiver: OtlpReceiver;
beforeAll(async () => {
  receiver = await startOtlpReceiver();
});
beforeEach(() => {
  receiver.logCalls = 0;
  receiver.answerLogs = () => ({ status: 200 });
});
afterAll(async () => {
  await receiver[Symbol.asyncDispose]();
});

function sender(changes: Partial<Parameters<typeof otlpLogs>[0]> = {}) {
  const rejected: number[] = [];
  const send = otlpLogs({
    endpoint: receiver.url,
    authorization: async () => undefined,
    timeoutMs: 5_000,
    version: '0.1.0',
    onRejected: (records) => rejected.push(records),
    ...changes,
  });
  return { send, rejected };
}

const LINE = JSON.stringify({
  chain: CHAIN,
  sequence: 7,
  at: '2026-11-27T01:00:00.125Z',
  type: 'event',
  operation: 'decrypt',
  outcome: 'refused',
  code: 'access-revoked',
  requestId: 'r1',
  principal: 'issuer#billing',
  tenantId: 'contoso',
  items: { succeeded: 2 },
});
const eventsOf = (...lines: readonly string[]) => lines.flatMap((line) => chainEvent(line, '0.1.0') ?? []);

describe('a call to the collector', () => {
  test('has the OCSF event as its body, and what collectors route by as attributes', async () => {
    const from = receiver.logs.length;
    await sender().send(eventsOf(LINE, LINE.replace('"contoso"', 'null').replace('refused', 'succeeded')));
    const [first, second] = receiver.logs.slice(from);
    expect(first).toMatchObject({
      timeUnixNano: '1795741200125000000',
      severityNumber: 13,
      eventName: 'vaultspan.audit',
      body: {
        kvlistValue: {
          values: expect.arrayContaining([
            { key: 'class_uid', value: { intValue: '6003' } },
            { key: 'status_code', value: { stringValue: 'access-revoked' } },
          ]),
        },
      },
    });
    expect(JSON.stringify(first?.body)).toContain(`{"key":"uid","value":{"stringValue":"${CHAIN}/7"}}`);
    expect(first && attributesOf(first)).toEqual({
      'vaultspan.tenant': 'contoso',
      'vaultspan.operation': 'decrypt',
      'vaultspan.code': 'access-revoked',
    });
    expect(second).toMatchObject({ severityNumber: 9 });
  });

  test('tells a refusal, a size, a rate and an outage apart, and follows no redirect', async () => {
    const failureOf = async (status: number, headers = {}) => {
      receiver.answerLogs = () => ({ status, headers });
      const error: unknown = await sender()
        .send(eventsOf(LINE))
        .catch((caught: unknown) => caught);
      if (!(error instanceof SiemFailure)) throw error;
      return [error.reason, error.retryAfter, error.fix !== undefined];
    };
    expect(await failureOf(401)).toEqual(['siem-refused', undefined, true]);
    expect(await failureOf(403)).toEqual(['siem-refused', undefined, true]);
    expect(await failureOf(404)).toEqual(['siem-rule-missing', undefined, true]);
    expect(await failureOf(400)).toEqual(['siem-rows-refused', undefined, true]);
    expect(await failureOf(413)).toEqual(['siem-too-large', undefined, false]);
    expect(await failureOf(429, { 'Retry-After': '30' })).toEqual(['siem-throttled', 30, false]);
    const date = new Date(Date.now() - 60_000).toUTCString();
    expect(await failureOf(503, { 'Retry-After': date })).toEqual(['siem-unavailable', 0, false]);
    const calls = receiver.logCalls;
    expect(await failureOf(307, { Location: `${receiver.url}/v1/logs` })).toEqual([
      'siem-unavailable',
      undefined,
      false,
    ]);
    expect(receiver.logCalls).toBe(calls + 1);
    const away = sender({ endpoint: 'http://127.0.0.1:1' });
    await expect(away.send(eventsOf(LINE))).rejects.toMatchObject({ reason: 'siem-unavailable' });
  });

  test('counts records that the collector refuses within an accepted call', async () => {
    receiver.answerLogs = () => ({
      status: 200,
      body: { partialSuccess: { rejectedLogRecords: '2', errorMessage: 'x' } },
    });
    const { send, rejected } = sender();
    await send(eventsOf(LINE, LINE));
    expect(rejected).toEqual([2]);
  });

  test('has the token, which is read anew after a refusal', async () => {
    const asked: boolean[] = [];
    const { send } = sender({
      authorization: async (isRefused) => {
        asked.push(isRefused);
        return isRefused ? 'Bearer new' : 'Bearer old';
      },
    });
    receiver.answerLogs = ({ authorization }) => ({ status: authorization === 'Bearer new' ? 200 : 401 });
    await expect(send(eventsOf(LINE))).rejects.toMatchObject({ reason: 'siem-refused' });
    await send(eventsOf(LINE));
    expect(asked).toEqual([false, true]);
    const unread = sender({ authorization: () => Promise.reject(new Error('away')) });
    await expect(unread.send(eventsOf(LINE))).rejects.toMatchObject({ reason: 'siem-unavailable' });
  });
});

describe.each(DATABASES)('deliveries to the collector on %s', (_name, create) => {
  function delivererOn(database: SqlDatabase, clock: TestClock, onSent: () => Promise<void> = async () => undefined) {
    const accepted: string[] = [];
    const skipped: number[] = [];
    const { send } = sender();
    const deliverer = new SiemDeliverer<true>({
      table: otlpCursors(database),
      findTarget: async () => true,
      send: async (_target, events) => {
        await send(events);
        accepted.push(...events.map(({ metadata }) => (metadata as { readonly uid: string }).uid));
        await onSent();
      },
      eventOf: (line) => chainEvent(line, '0.1.0'),
      now: () => clock.wallMs(),
      timing: { intervalMs: 1_000_000_000 },
      onFailing: () => undefined,
      onRecovery: () => undefined,
      onSkipped: (_chain, sequence) => skipped.push(sequence),
      onTrouble: (error) => expect(error).toBeUndefined(),
      onEnd: () => undefined,
    });
    return { deliverer, accepted, skipped };
  }

  const uidsOf = (lines: readonly string[]) =>
    eventsOf(...lines).map(({ metadata }) => (metadata as { readonly uid: string }).uid);

  test('every record of every chain once and in order, from the switch-on, by two processes', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const lines = chainLines(CHAIN, 1_300);
    await store(auditTable(database), lines.slice(0, 100));
    await otlpCursors(database).begin();
    await store(auditTable(database), lines.slice(100));
    const other = '22222222-2222-4222-8222-222222222222';
    await store(auditTable(database), chainLines(other, 20));
    await otlpCursors(database).begin(); // as of a restart: it changes nothing
    expect((await otlpCursors(database).lag(clock.wallMs())).failing).toBe(0);
    const [a, b] = [delivererOn(database, clock), delivererOn(await created.open(), clock)];
    await Promise.all([a.deliverer.run(), b.deliverer.run()]);
    const accepted = [...a.accepted, ...b.accepted];
    expect(accepted.filter((uid) => uid.startsWith(CHAIN))).toEqual(uidsOf(lines.slice(100)));
    expect(accepted.filter((uid) => uid.startsWith(other))).toEqual(uidsOf(chainLines(other, 20)));
    clock.advance(60);
    await a.deliverer.run();
    expect(a.accepted.length + b.accepted.length).toBe(accepted.length);
    expect(await otlpCursors(database).lag(clock.wallMs())).toEqual({ seconds: 0, failing: 0 });
    for (const { deliverer } of [a, b]) await deliverer.close();
  });

  test('an outage, a size that is refused, and a crash after a call lose nothing', async () => {
    await using created = await create();
    const database = await created.open();
    const clock = new TestClock();
    const lines = chainLines(CHAIN, 41);
    await store(auditTable(database), lines.slice(0, 41)); // without the last event and the end of the chain
    const wanted = uidsOf(lines.slice(0, 41));
    receiver.answerLogs = () => ({ status: 503 });
    const first = delivererOn(database, clock);
    await first.deliverer.run();
    const { seconds, failing } = await otlpCursors(database).lag(clock.wallMs() + 3_600_000);
    expect([seconds > 3_000, failing]).toEqual([true, 1]);
    clock.advance(60);
    receiver.answerLogs = ({ records }) => ({ status: records > 8 ? 413 : 200 });
    const crashing = delivererOn(database, clock, () => Promise.reject(new SiemFailure('siem-unavailable', 'crashed')));
    await crashing.deliverer.run();
    const sent = crashing.accepted;
    expect(sent.length).toBeGreaterThan(0);
    clock.advance(1_000);
    await first.deliverer.run();
    expect(first.accepted).toEqual(wanted); // again what the crashed process had sent
    expect(first.skipped).toEqual([]);
    receiver.answerLogs = () => ({ status: 413 });
    await store(auditTable(database), lines.slice(41));
    clock.advance(60);
    await first.deliverer.run();
    expect([first.accepted.length, first.skipped]).toEqual([wanted.length, [41]]);
    for (const { deliverer } of [first, crashing]) await deliverer.close();
  });
});
