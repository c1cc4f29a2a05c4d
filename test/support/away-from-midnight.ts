import { setTimeout as sleep } from 'node:timers/promises';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Waits until the UTC day has a minute left, for tests that count days by a database's own clock. */
export async function awayFromMidnight(): Promise<void> {
  while (Date.now() % DAY_MS > DAY_MS - MINUTE_MS) await sleep(1_000);
}
