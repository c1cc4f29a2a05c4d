import { performance } from 'node:perf_hooks';

/** Both times in milliseconds. Ages are measured on the monotonic one, dates of Azure on the wall one. */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
}

export const systemClock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };
