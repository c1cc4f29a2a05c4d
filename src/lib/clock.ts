import { performance } from 'node:perf_hooks';

/**
 * Both times in milliseconds. Ages are measured with the monotonic one, Azure's dates are compared
 * with the wall clock.
 */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
}

export const systemClock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };
