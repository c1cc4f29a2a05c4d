import { backOff } from '../lib/retry.ts';

/**
 * Returns the pauses before retries of a transaction that conflicted with another one, until
 * `patienceMs` have passed.
 */
export const contentionPauses = (patienceMs: number): Iterable<number> =>
  backOff({ firstMs: 4, longestMs: 64, patienceMs });
