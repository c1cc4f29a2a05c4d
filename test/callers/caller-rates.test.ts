import { describe, expect, test } from '@jest/globals';
import { CallerRates } from '../../src/callers/caller-rates.ts';
import { ServiceError } from '../../src/errors.ts';
import { TestClock } from '../support/test-clock.ts';

const clock = new TestClock();
const open = (burst = 3) => new CallerRates({ requestsPerSecond: 0.5, burst, clock });

/** Returns how many of these requests are admitted. */
function admitted(rates: CallerRates, caller: string, requests: number): number {
  let count = 0;
  for (let request = 0; request < requests; request += 1) {
    try {
      rates.admit(caller);
      count += 1;
    } catch (error) {
      expect(error).toMatchObject({ code: 'caller-throttled' });
    }
  }
  return count;
}

function retryAfterOf(rates: CallerRates, caller: string): number | undefined {
  try {
    rates.admit(caller);
  } catch (error) {
    return error instanceof ServiceError ? error.retryAfter : undefined;
  }
  return undefined;
}

describe('the rate of a caller', () => {
  test('allows a burst, and then as many as are refilled in time', () => {
    const rates = open();
    expect(admitted(rates, 'a', 10)).toBe(3);
    expect(retryAfterOf(rates, 'a')).toBe(2);
    clock.advance(1.9);
    expect([admitted(rates, 'a', 1), retryAfterOf(rates, 'a')]).toEqual([0, 1]);
    clock.advance(0.1);
    expect(admitted(rates, 'a', 10)).toBe(1);
    clock.advance(3_600);
    expect(admitted(rates, 'a', 10)).toBe(3);
  });

  test("does not affect another caller's", () => {
    const rates = open();
    admitted(rates, 'a', 10);
    expect(admitted(rates, 'b', 10)).toBe(3);
  });

  test('includes the cost of an admitted request, even beyond the burst', () => {
    const rates = open();
    rates.admit('a');
    rates.charge('a', 9);
    expect(retryAfterOf(rates, 'a')).toBe(16);
    clock.advance(14);
    expect(admitted(rates, 'a', 1)).toBe(0);
    clock.advance(2);
    expect(admitted(rates, 'a', 2)).toBe(1);
  });

  test('is kept for a bounded number of callers; the one idle for longest is evicted', () => {
    const rates = open(1);
    rates.admit('first');
    for (let n = 0; n < 9_999; n += 1) rates.admit(`caller ${n}`);
    expect(admitted(rates, 'first', 1)).toBe(0);
    for (let n = 0; n < 10_000; n += 1) rates.admit(`other ${n}`);
    expect(admitted(rates, 'first', 1)).toBe(1);
  });
});
