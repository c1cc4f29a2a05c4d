import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 10_000;
const PAUSE_MS = 10;

/**
 * Waits until the condition holds.
 * @throws Error after 10 s, with the name of the condition
 */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string = String(isTrue)): Promise<void> {
  const limit = performance.now() + LIMIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > limit) throw new Error(`Timed out waiting for: ${what}`);
    await sleep(PAUSE_MS);
  }
}
