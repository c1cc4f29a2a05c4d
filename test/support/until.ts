import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 10_000;
const PAUSE_MS = 20;

/** Waits for what happens elsewhere in its own time; fails loudly where it doesn't. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const limit = performance.now() + LIMIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > limit) throw new Error(`Waited in vain: ${what}`);
    await sleep(PAUSE_MS);
  }
}
