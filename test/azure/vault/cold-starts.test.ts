import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { COLD_START_LIMITS, type ColdStartLimits, ColdStarts } from '../../../src/azure/vault/cold-starts.ts';
import { ServiceError } from '../../../src/errors.ts';
import { addCustomers } from '../../support/customers.ts';
import { startService, type TestService } from '../../support/start-service.ts';
import { TestClock } from '../../support/test-clock.ts';
import { until } from '../../support/until.ts';

const DEADLINE_MS = 10_000;

/** Returns first calls that end on the test's request. */
function coldStarts(limits: ColdStartLimits) {
  // At a rate that no test reaches time may pass; at a low one the clock stands still.
  const clock = new TestClock(limits.perSecond > 1 ? 'running' : 'standing');
  const starts = new ColdStarts(clock, limits);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const call = (tenantId: string, signal: AbortSignal = new AbortController().signal) => {
    const ended = starts.run(tenantId, DEADLINE_MS, signal, () => {
      begun.push(tenantId);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
    return ended.then(
      () => undefined,
      (error: unknown) => error,
    );
  };
  const end = async (count: number) => {
    for (const resolve of ends.splice(0, count)) resolve();
    await turn();
  };
  return { begun, call, end, pass: (seconds: number) => clock.advance(seconds) };
}

describe('first calls to vaults', () => {
  test('are limited in number, and the others take turns tenant by tenant', async () => {
    const { begun, call, end } = coldStarts({ maxConcurrent: 2, perSecond: 1_000_000 });
    for (const tenant of ['a', 'a', 'a', 'a', 'b', 'c']) void call(tenant);
    await turn();
    expect(begun).toEqual(['a', 'a']);
    await end(2);
    expect(begun).toEqual(['a', 'a', 'a', 'b']);
    await end(2);
    expect(begun).toEqual(['a', 'a', 'a', 'b', 'c', 'a']);
    await end(2);
  });

  test("that can't have their turn in time are refused at once, each with a later time than the one before", async () => {
    const { begun, call } = coldStarts({ maxConcurrent: 1, perSecond: 1 });
    const stop = new AbortController();
    const outcomes = Array.from({ length: 12 }, (_, index) => call(`tenant-${index}`, stop.signal));
    await turn();
    stop.abort(new Error('over'));
    const failures = (await Promise.all(outcomes.slice(1))).filter((error) => error instanceof ServiceError);
    expect(begun).toEqual(['tenant-0']);
    expect(failures).toHaveLength(5);
    expect(failures).toMatchObject(
      [7, 8, 9, 10, 11].map((retryAfter) => ({ code: 'overloaded', reason: 'cold-start', retryAfter })),
    );
  });

  test('begin one after the other at the rate, however many places are free', async () => {
    const { begun, call, pass } = coldStarts({ maxConcurrent: 16, perSecond: 1 });
    const stop = new AbortController();
    for (const tenant of ['a', 'b', 'c']) void call(tenant, stop.signal);
    await turn();
    expect(begun).toEqual(['a']);
    pass(1);
    await until(() => begun.length > 1);
    expect(begun).toEqual(['a', 'b']);
    stop.abort(new Error('over'));
  });

  test('beyond the longest Retry-After are told times that differ', async () => {
    const { call } = coldStarts({ maxConcurrent: 1, perSecond: 1 });
    const stop = new AbortController();
    const outcomes = Array.from({ length: 400 }, (_, index) => call(`tenant-${index}`, stop.signal));
    await turn();
    stop.abort(new Error('over'));
    const failures = (await Promise.all(outcomes.slice(1))).filter((error) => error instanceof ServiceError);
    const times = failures.slice(-250).map(({ retryAfter = 0 }) => retryAfter);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(60);
    expect(Math.max(...times)).toBeLessThanOrEqual(120);
    expect(new Set(times).size).toBeGreaterThan(30);
  });

  test('release their place at their deadline, whether they end or not', async () => {
    const { begun, call } = coldStarts({ maxConcurrent: 1, perSecond: 1_000_000 });
    const stop = new AbortController();
    void call('hangs', stop.signal);
    void call('next');
    await turn();
    expect(begun).toEqual(['hangs']);
    stop.abort();
    await turn();
    expect(begun).toEqual(['hangs', 'next']);
  });

  test('leave the queue at their deadline', async () => {
    const { begun, call, end } = coldStarts({ maxConcurrent: 1, perSecond: 1_000_000 });
    void call('first');
    const stop = new AbortController();
    const given = call('gives up', stop.signal);
    stop.abort(new Error('over'));
    expect(await given).toEqual(new Error('over'));
    await end(1);
    expect(begun).toEqual(['first']);
  });
});

describe('in a service', () => {
  const names = Array.from({ length: COLD_START_LIMITS.maxConcurrent }, (_, index) => `cold-${index}`);
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ config: { vault: { deadlineSeconds: 5 } } });
    await addCustomers(service, names);
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
  });

  test('a tenant with a cold vault waits while others hang in all places, and a warm one does not', async () => {
    const encrypt = (tenant: string) => service.post(`/tenants/${tenant}/encrypt`, { plaintext: 'aGk=' });
    expect((await encrypt('contoso')).status).toBe(200);
    for (const at of names) await service.emulator.control.injectFault({ at, kind: 'hang' });
    const hanging = names.map(async (name) => (await encrypt(name)).body.code);
    await until(() => names.every((name) => service.vaultCalls(name).length > 0));
    const waiting = encrypt('fabrikam').then(({ status }) => status);
    service.clock.advance(301); // the warm one must prove its access again
    expect((await encrypt('contoso')).status).toBe(200);
    expect(service.vaultCalls('fabrikam')).toEqual([]);
    await service.emulator.control.clearFaults();
    expect(new Set(await Promise.all(hanging))).toEqual(new Set(['vault-unavailable']));
    await waiting;
    expect((await encrypt('fabrikam')).status).toBe(200);
  });
});
