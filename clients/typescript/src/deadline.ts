import { VaultspanError } from './errors.ts';

/** JavaScript's timers take a longer time for none at all. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * How long one call may take, and what cancels it: the end of its time, or the caller's signal. A batch has up to 1,000
 * of these, so that a deadline costs one timer, and an AbortController only if somebody asks for its signal.
 */
export class Deadline {
  readonly #timeoutMs: number;
  readonly #endsAt: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #caller: AbortSignal | undefined;
  readonly #onAbort = () => this.#end(this.#caller?.reason);
  #controller: AbortController | undefined;
  #whenOver: ((reason: unknown) => void) | undefined;
  #over: { readonly reason: unknown } | undefined;
  #last: unknown;

  /**
   * Starts the clock of a call. Whoever starts it releases it.
   * @throws TypeError for a time that is no number of milliseconds
   */
  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    checkTimeout(timeoutMs);
    this.#timeoutMs = timeoutMs;
    this.#caller = caller;
    this.#endsAt = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => this.#end(timedOut(this.#timeoutMs, this.#last)), timeoutMs);
    if (caller?.aborted) this.#onAbort();
    else if (caller !== undefined) watchAbort(caller, this.#onAbort);
  }

  /** Aborted when the call is over before its result. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#over !== undefined) this.#controller.abort(this.#over.reason);
    }
    return this.#controller.signal;
  }

  /** Has one function called when the call is over, at once if it is already. */
  whenOver(act: (reason: unknown) => void): void {
    this.#whenOver = act;
    if (this.#over !== undefined) act(this.#over.reason);
  }

  /** Settles as the work does, but rejects at once when the call is over. */
  bound<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.whenOver(reject);
      work.then(resolve, reject);
    });
  }

  /** Returns the milliseconds left, by the monotonic clock. */
  left(): number {
    return this.#endsAt - performance.now();
  }

  /** Throws what ended the call, if anything did. */
  check(): void {
    if (this.#over !== undefined) throw this.#over.reason;
  }

  /** Remembers why a try failed: the cause of `timed-out`, if it comes to that. */
  failed(error: unknown): void {
    this.#last = error;
  }

  release(): void {
    clearTimeout(this.#timer);
    if (this.#caller !== undefined) unwatchAbort(this.#caller, this.#onAbort);
  }

  #end(reason: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = { reason };
    this.#controller?.abort(reason);
    this.#whenOver?.(reason);
  }
}

/** Calls that share a signal share one listener: Node 20 warns of more than 10 as of a leak. */
const watching = new WeakMap<AbortSignal, Set<() => void>>();

/** Has a function called when a signal aborts that has not yet. */
export function watchAbort(signal: AbortSignal, act: () => void): void {
  const acts = watching.get(signal);
  if (acts !== undefined) {
    acts.add(act);
    return;
  }
  const first = new Set([act]);
  watching.set(signal, first);
  signal.addEventListener(
    'abort',
    () => {
      for (const one of first) one();
    },
    { once: true },
  );
}

export function unwatchAbort(signal: AbortSignal, act: () => void): void {
  watching.get(signal)?.delete(act);
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
