import { VaultspanError } from './errors.ts';

/** How long a call may take, and what cancels it. */
export interface Deadline {
  /** Milliseconds left, by the monotonic clock. */
  readonly left: () => number;
  /** Aborted at the end of the time, by the caller's signal, or by `release`. */
  readonly signal: AbortSignal;
  /** Throws what ended the call, if anything did. */
  readonly check: () => void;
  /** Remembers why a try failed: the cause of `timed-out`, if it comes to that. */
  readonly failed: (error: unknown) => void;
  readonly release: () => void;
}

/** JavaScript's timers take a longer time for none at all. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Starts the clock of a call. Whoever starts it releases it.
 * @throws TypeError for a time that is no number of milliseconds
 */
export function startDeadline(timeoutMs: number, caller: AbortSignal | undefined): Deadline {
  checkTimeout(timeoutMs);
  let last: unknown;
  const controller = new AbortController();
  const endsAt = performance.now() + timeoutMs;
  const timer = setTimeout(() => controller.abort(timedOut(timeoutMs, last)), timeoutMs);
  const onAbort = () => controller.abort(caller?.reason);
  if (caller?.aborted) onAbort();
  else caller?.addEventListener('abort', onAbort, { once: true });
  return {
    left: () => endsAt - performance.now(),
    signal: controller.signal,
    check: () => controller.signal.throwIfAborted(),
    failed: (error) => {
      last = error;
    },
    release: () => {
      clearTimeout(timer);
      caller?.removeEventListener('abort', onAbort);
    },
  };
}

/** @throws TypeError for what is no time in milliseconds, or more than a timer can wait */
export function checkTimeout(timeoutMs: number): void {
  if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) throw new TypeError(`timeoutMs must be above 0 and at most ${MAX_TIMEOUT_MS}`);
}

/** Resolves after a time; rejects with the reason when the signal aborts first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function timedOut(timeoutMs: number, cause: unknown): VaultspanError {
  return new VaultspanError({
    code: 'timed-out',
    message: `timed-out: no result within ${timeoutMs} ms. Raise timeoutMs, or find in the service's log what took so long.`,
    isRetryable: true,
    cause,
  });
}

/** Settles as the work does, but rejects at once when the signal aborts. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
