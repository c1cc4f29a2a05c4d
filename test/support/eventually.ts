import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a condition, at most 5 s. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await condition()) return;
    await sleep(10);
  }
  throw new Error('it did not come true');
}
