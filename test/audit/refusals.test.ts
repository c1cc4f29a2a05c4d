import { expect, test } from '@jest/globals';
import type { AuditEvent } from '../../src/audit/event.ts';
import { RefusalCounter } from '../../src/audit/refusals.ts';

const refusal = (requestId: string, reason?: string): AuditEvent => ({
  operation: 'authenticate',
  outcome: 'refused',
  code: 'unauthenticated',
  ...(reason === undefined ? {} : { reason }),
  requestId,
  clientRequestId: 'the caller’s own',
});

class MemorySink {
  readonly events: AuditEvent[] = [];
  failures = 0;
  readonly #first = Promise.withResolvers<void>();
  readonly recorded = this.#first.promise;

  async record(event: AuditEvent): Promise<void> {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('planned');
    }
    this.events.push(event);
    this.#first.resolve();
  }
}

test('refusals with one code and reason become one record with their number', async () => {
  const sink = new MemorySink();
  const refusals = new RefusalCounter({ sink });
  refusals.count(refusal('r1', 'expired'));
  refusals.count(refusal('r2'));
  refusals.count({ ...refusal('r3', 'expired'), count: 5 });
  expect(sink.events).toEqual([]);
  await refusals.close();
  const common = { operation: 'authenticate', outcome: 'refused', code: 'unauthenticated' };
  expect(sink.events).toEqual([
    { ...common, reason: 'expired', requestId: 'r1', count: 6 },
    { ...common, requestId: 'r2' },
  ]);
});

test('counted refusals are recorded when the interval ends, without close', async () => {
  const sink = new MemorySink();
  const refusals = new RefusalCounter({ sink, intervalMs: 1 });
  refusals.count(refusal('r1'));
  // The counter's own timer does not keep the process alive.
  const alive = setInterval(() => undefined, 1000);
  await sink.recorded;
  clearInterval(alive);
  await refusals.close();
  expect(sink.events).toHaveLength(1);
});

test('reasons beyond the limit are counted as other', async () => {
  const sink = new MemorySink();
  const refusals = new RefusalCounter({ sink, maxPairs: 2 });
  for (let n = 0; n < 100; n += 1) refusals.count(refusal(`r${n}`, `reason-${n}`));
  refusals.count(refusal('again', 'reason-1'));
  await refusals.close();
  expect(sink.events.map(({ reason, count }) => [reason, count])).toEqual([
    ['reason-0', undefined],
    ['reason-1', 2],
    ['other', 98],
  ]);
});

test('a failing sink loses no count and is reported', async () => {
  const sink = new MemorySink();
  sink.failures = 1;
  const failures: unknown[] = [];
  const refusals = new RefusalCounter({ sink, intervalMs: 1, onFailure: (error) => failures.push(error) });
  refusals.count(refusal('r1'));
  refusals.count(refusal('r2'));
  const alive = setInterval(() => undefined, 1000);
  await sink.recorded;
  clearInterval(alive);
  expect(sink.events).toMatchObject([{ requestId: 'r1', count: 2 }]);
  expect(failures).toMatchObject([{ message: 'planned' }]);
});

test('close rejects when its records are refused', async () => {
  const sink = new MemorySink();
  sink.failures = 1;
  const refusals = new RefusalCounter({ sink });
  refusals.count(refusal('r1'));
  await expect(refusals.close()).rejects.toThrow('planned');
});

test('known callers are counted separately while there is room, and as others beyond it', async () => {
  const sink = new MemorySink();
  const refusals = new RefusalCounter({ sink, maxPairs: 2 });
  for (const principal of ['a', 'b', 'c', 'd', 'a']) refusals.count({ ...refusal('r'), principal });
  await refusals.close();
  expect(sink.events.map(({ principal, reason, count }) => [principal, reason, count])).toEqual([
    ['a', undefined, 2],
    ['b', undefined, undefined],
    [undefined, 'other', 2],
  ]);
});
