import { backOff } from '../lib/retry.ts';

/** Returns the pauses of a transaction that another one was in the way of, until `patienceMs` have passed. */
export const contentionPauses = (patienceMs: number): Iterable<number> =>
  backOff({ firstMs: 4, longestMs: 64, patienceMs });
