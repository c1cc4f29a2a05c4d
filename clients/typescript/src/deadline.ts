import { VaultspanError } from './errors.ts';

/** How long a call may take, and what cancels it. */
export interface Deadline {
  /** Milliseconds left, by the monotonic clock. */
  readonly left: () => number;
  /** Aborted at the end of the time, by the caller's signal, or by `release`. */
  readonly signal: AbortSignal;
  /** Throws what ended the call, if anything did. */
  readonly check: () => void;
  readonly release: () => void;
}

/** Starts the clock of a call. Whoever starts it releases it. */
export function startDeadline(timeoutMs: number, caller: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  const endsAt = performance.now() + timeoutMs;
  const timer = setTimeout(() => controller.abort(timedOut(timeoutMs)), timeoutMs);
  const onAbort = () => controller.abort(caller?.reason);
  if (caller?.aborted) onAbort();
  else caller?.addEventListener('abort', onAbort, { once: true });
  return {
    left: () => endsAt - performance.now(),
    signal: controller.signal,
    check: () => controller.signal.throwIfAborted(),
    release: () => {
      clearTimeout(timer);
      caller?.removeEventListener('abort', onAbort);
    },
  };
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

function timedOut(timeoutMs: number): VaultspanError {
  return new VaultspanError({
    code: 'timed-out',
    message: `timed-out: no result within ${timeoutMs} ms. Raise timeoutMs, or find in the service's log what took so long.`,
    isRetryable: true,
  });
}

/** Settles as the work does, but rejects at once when the signal aborts. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
