import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_DELAY_MS = 4;
const LONGEST_DELAY_MS = 64;

/** Tries again, with growing and jittered pauses, while it fails in this way and until `patienceMs` have passed. */
export async function retryWhile<T>(
  isPassing: (error: unknown) => boolean,
  patienceMs: number,
  attempt: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!isPassing(error) || performance.now() > deadline) throw error;
    }
    await sleep(delayMs * (0.5 + Math.random()));
  }
}
