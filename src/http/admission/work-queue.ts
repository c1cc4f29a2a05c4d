import { FairQueue } from '../../lib/fair-queue.ts';

/** Large requests that are worked on at once; they take turns of 2 ms among themselves. */
const SLOTS = 8;
/** A request that is not finished after this time most likely waits for a vault, and leaves its slot to another. */
const SLOT_MS = 200;
/** The wait must be over its target for this time: a short burst is served whole. */
const INTERVAL_MS = 100;
/** Requests with smaller bodies pass by the queue: few of them cost more than a millisecond. */
export const SMALL_BYTES = 16 * 1_024;

export interface WorkQueueOptions {
  /** Longest wait that is kept up. */
  readonly targetMs: number;
  readonly nowMs: () => number;
  /** Returns the refusal of a request that has waited for too long. */
  readonly refuse: () => Error;
}

interface Waiting {
  readonly sinceMs: number;
  readonly start: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * The queue of large requests before they are parsed and worked on, by turns among tenants. It sheds by the wait, as CoDel does (RFC 8289):
 * once the wait has been over its target for a while, each request that has waited longer is refused. Small requests never wait.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #queue = new FairQueue<Waiting>();
  #running = 0;
  #overTargetSinceMs: number | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /**
   * Returns what gives the request's slot back: at once where one is free, else as a promise. Rejects with the refusal.
   * `onGone` is called with a function that takes the request out of the queue.
   */
  enter(tenantId: string, onGone: (leave: () => void) => void): Promise<() => void> | (() => void) {
    if (this.#running < SLOTS && this.#queue.size === 0) return this.#occupy();
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiting: Waiting = {
      sinceMs: this.#options.nowMs(),
      start: () => resolve(this.#occupy()),
      fail: reject,
    };
    this.#queue.push(tenantId, waiting);
    onGone(() => {
      this.#queue.remove(tenantId, waiting);
      reject(this.#options.refuse());
    });
    return promise;
  }

  #occupy(): () => void {
    this.#running += 1;
    let isHeld = true;
    const free = () => {
      if (!isHeld) return;
      isHeld = false;
      clearTimeout(timer);
      this.#running -= 1;
      this.#next();
    };
    const timer = setTimeout(free, SLOT_MS);
    return free;
  }

  #next(): void {
    while (this.#running < SLOTS) {
      const waiting = this.#queue.shift();
      if (!waiting) {
        this.#overTargetSinceMs = undefined;
        return;
      }
      if (this.#isTooLate(waiting)) waiting.fail(this.#options.refuse());
      else waiting.start();
    }
  }

  #isTooLate({ sinceMs }: Waiting): boolean {
    const { targetMs, nowMs } = this.#options;
    const now = nowMs();
    if (now - sinceMs <= targetMs) {
      this.#overTargetSinceMs = undefined;
      return false;
    }
    this.#overTargetSinceMs ??= now;
    return now - this.#overTargetSinceMs >= INTERVAL_MS;
  }
}
