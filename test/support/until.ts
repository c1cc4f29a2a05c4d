import { setTimeout as sleep } from 'node:timers/promises';

/** Of a condition that never holds; a busy machine is no failure. */
const LIMIT_MS = 60_000;
const PAUSE_MS = 10;

/**
 * Waits until the condition holds.
 * @throws Error after the limit, with the name of the condition
 */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  what: string = String(isTrue),
  limitMs = LIMIT_MS,
): Promise<void> {
  const limit = performance.now() + limitMs;
  while (!(await isTrue())) {
    if (performance.now() > limit) throw new Error(`Timed out waiting for: ${what}`);
    await sleep(PAUSE_MS);
  }
}
