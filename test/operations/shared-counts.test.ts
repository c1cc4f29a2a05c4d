import { expect, test } from '@jest/globals';
import { sharedCounts } from '../../src/operations/overview/shared-counts.ts';
import { TestClock } from '../support/test-clock.ts';

function counter(clock: TestClock, count = async () => ({ active: 3, suspended: 1 })) {
  let counted = 0;
  const tenants = {
    count: () => {
      counted += 1;
      return count();
    },
  };
  const claims = { countChecks: async () => ({ checked: 2, failures: [] }) };
  return { counts: sharedCounts({ tenants, claims, clock }), counted: () => counted };
}

test('tenants are counted once a second, however many ask', async () => {
  const clock = new TestClock();
  const { counts, counted } = counter(clock);
  const all = await Promise.all(Array.from({ length: 50 }, counts));
  expect([all[49], counted()]).toEqual([{ active: 3, suspended: 1, checked: 2, failures: [] }, 1]);
  clock.advance(0.9);
  await counts();
  expect(counted()).toBe(1);
  clock.advance(0.1);
  await counts();
  expect(counted()).toBe(2);
});

test('a failure is not kept', async () => {
  const failures = [new Error('down')];
  const { counts, counted } = counter(new TestClock(), async () => {
    const failure = failures.pop();
    if (failure) throw failure;
    return { active: 1, suspended: 0 };
  });
  await expect(counts()).rejects.toThrow('down');
  expect([(await counts()).active, counted()]).toEqual([1, 2]);
});
