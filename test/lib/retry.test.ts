import { describe, expect, test } from '@jest/globals';
import { backOff, retry } from '../../src/lib/retry.ts';

/** Returns a function that fails so many times, then returns the number of its calls. */
function failing(times: number) {
  const attempt = async () => {
    attempt.calls += 1;
    if (attempt.calls <= times) throw new Error(`failure ${attempt.calls}`);
    return attempt.calls;
  };
  attempt.calls = 0;
  return attempt;
}

describe('retry', () => {
  test('returns the first success, after as many pauses as there were failures', async () => {
    const attempt = failing(2);
    expect(await retry(attempt, { pausesMs: [0, 0, 0] })).toBe(3);
    expect(attempt.calls).toBe(3);
  });

  test('throws the last failure when the pauses are used up', async () => {
    const attempt = failing(9);
    await expect(retry(attempt, { pausesMs: [0, 0] })).rejects.toThrow('failure 3');
    expect(attempt.calls).toBe(3);
  });

  test('throws a permanent failure at once', async () => {
    const attempt = failing(9);
    const isTransient = (error: unknown) => Error.isError(error) && error.message === 'failure 1';
    await expect(retry(attempt, { pausesMs: [0, 0, 0], isTransient })).rejects.toThrow('failure 2');
  });

  test('ends a pause when it is aborted, with the previous failure', async () => {
    const stopping = new AbortController();
    const attempt = failing(9);
    const retried = retry(attempt, { pausesMs: [3_600_000], signal: stopping.signal });
    stopping.abort();
    await expect(retried).rejects.toThrow('failure 1');
    await expect(retry(attempt, { pausesMs: [0], signal: stopping.signal })).rejects.toThrow('failure 2');
  });
});

describe('back-off', () => {
  test('doubles up to the longest, each jittered by half', () => {
    const pauses = backOff({ firstMs: 100, longestMs: 400 });
    for (const middle of [100, 200, 400, 400]) {
      const { value } = pauses.next();
      expect(value).toBeGreaterThanOrEqual(middle / 2);
      expect(value).toBeLessThanOrEqual(middle * 1.5);
    }
  });

  test('ends when the patience is over', () => {
    expect([...backOff({ firstMs: 1, longestMs: 1, patienceMs: -1 })]).toEqual([]);
  });
});
