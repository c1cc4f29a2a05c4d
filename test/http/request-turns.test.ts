import { setImmediate as nextIteration } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { RequestTurns } from '../../src/http/admission/request-turns.ts';

const PER_ITERATION = 64;
const OF_COLD_TENANTS = 8;

/** Returns turns in which tenants named warm… are warm, and what has begun. */
function openTurns(maxWaiting = 5_000) {
  const turns = new RequestTurns(maxWaiting, (tenantId) => tenantId.startsWith('warm'));
  const begun: string[] = [];
  const arrive = (tenantId: string | undefined): boolean => {
    const begin = () => void begun.push(tenantId ?? 'none');
    if (!turns.takesAtOnce()) return turns.inTurn(tenantId, begin);
    begin();
    return true;
  };
  return { begun, arrive };
}

const cold = (at: number): string => `cold-${at}`;

test('of requests that arrive at once, a bounded number begins in each iteration of the event loop', async () => {
  const { begun, arrive } = openTurns();
  for (let at = 0; at < 1_000; at += 1) arrive(cold(at));
  expect(begun).toHaveLength(PER_ITERATION);
  for (let turn = 1; turn <= 3; turn += 1) {
    await nextIteration();
    expect(begun).toHaveLength(PER_ITERATION + turn * OF_COLD_TENANTS);
  }
});

test('warm tenants and requests without a tenant begin before cold ones that arrived earlier', async () => {
  const { begun, arrive } = openTurns();
  for (let at = 0; at < 1_000; at += 1) arrive(cold(at));
  await nextIteration();
  const before = begun.length;
  arrive('warm-1');
  arrive(undefined);
  expect(begun.slice(before)).toEqual(['warm-1', 'none']);
});

test('however many requests of warm tenants arrive, cold ones keep their part', async () => {
  const { begun, arrive } = openTurns();
  for (let at = 0; at < 200; at += 1) arrive(cold(at));
  for (let at = 0; at < 1_000; at += 1) arrive(`warm-${at}`);
  const before = begun.length;
  await nextIteration();
  const some = begun.slice(before);
  expect(some).toHaveLength(PER_ITERATION);
  expect(some.filter((name) => name.startsWith('cold'))).toHaveLength(OF_COLD_TENANTS);
});

test('tenants take turns: one with many requests delays another by one', async () => {
  const { begun, arrive } = openTurns();
  for (let n = 0; n < 1_000; n += 1) arrive('cold-busy');
  arrive('cold-quiet');
  await nextIteration();
  expect(begun.indexOf('cold-quiet')).toBeLessThan(PER_ITERATION + 2);
});

test('every request begins once, in the order of its tenant', async () => {
  const { begun, arrive } = openTurns();
  for (let at = 0; at < 300; at += 1) arrive(cold(at));
  while (begun.length < 300) await nextIteration();
  await nextIteration();
  expect(begun).toEqual(Array.from({ length: 300 }, (_, at) => cold(at)));
});

test('more requests than may wait are refused', () => {
  const { arrive } = openTurns(10);
  const taken = Array.from({ length: 100 }, (_, at) => arrive(cold(at)));
  expect(taken.filter(Boolean)).toHaveLength(PER_ITERATION + 10);
});
