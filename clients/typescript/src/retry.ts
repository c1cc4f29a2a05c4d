import { type Deadline, pause } from './deadline.ts';
import { VaultspanError } from './errors.ts';

const FIRST_MS = 100;
const LONGEST_MS = 5_000;
const MAX_TRIES = 6;

/**
 * Returns how many milliseconds to wait before the next try, or undefined where there must be none: a try again is only
 * made where it is safe and told so (429, 503, a connection that gave no answer). `Retry-After` is honoured, with up to
 * a quarter more, so that callers spread.
 */
export function waitBefore(error: unknown, tries: number): number | undefined {
  if (!(error instanceof VaultspanError) || !error.isRetryable || tries >= MAX_TRIES) return undefined;
  if (error.retryAfterMs !== undefined) return error.retryAfterMs * (1 + Math.random() / 4);
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
}

/**
 * Tries until a result, a refusal, or the deadline.
 * @throws VaultspanError the last failure, where another try would come too late
 */
export async function retrying<T>(deadline: Deadline, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      deadline.check();
      deadline.failed(error);
      const waitMs = waitBefore(error, tries);
      if (waitMs === undefined || waitMs >= deadline.left()) throw error;
      await pause(waitMs, deadline.signal);
    }
  }
}
