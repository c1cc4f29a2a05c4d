import { jittered, retry } from '../lib/retry.ts';

const RETRY_DELAY_MS = 200;

/** The SDK's clients are told not to retry: its own policy sleeps for as long as a Retry-After says, past any deadline. */
export const noSdkRetries = { retryOptions: { maxRetries: 0 } } as const;

/** What a call that outlived its deadline throws. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * Runs one remote call that is safe to repeat, and repeats it once where nothing or a 5xx came back and there is time.
 * Some waits inside the SDK don't heed their signal, so the deadline is held here.
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
  expired.catch(() => undefined); // most calls end before it does
  return retry(() => Promise.race([call(signal), expired]), {
    pausesMs: [jittered(RETRY_DELAY_MS)],
    isTransient: isWorthRetry,
    signal,
  });
}
