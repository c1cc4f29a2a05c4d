import { jittered, retry } from '../lib/retry.ts';

const RETRY_DELAY_MS = 200;

/** A call exceeded its deadline. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * Returns the result of a remote call that is safe to repeat. The call is repeated once if the
 * first failure may be transient and there is time. Some waits inside the SDK ignore their signal,
 * so the deadline is enforced here.
 */
export async function withinDeadline<T>(
  deadlineMs: number,
  call: (signal: AbortSignal) => Promise<T>,
  isWorthRetry: (error: unknown) => boolean,
): Promise<T> {
  const signal = AbortSignal.timeout(deadlineMs);
  const expired = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new DeadlineError(`no answer within ${deadlineMs} ms`)), {
      once: true,
    });
  });
  expired.catch(() => undefined); // most calls end before the deadline
  return retry(() => Promise.race([call(signal), expired]), {
    pausesMs: [jittered(RETRY_DELAY_MS)],
    isTransient: isWorthRetry,
    signal,
  });
}
