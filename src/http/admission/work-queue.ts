import { FairQueue } from '../../lib/fair-queue.ts';
import type { Slices } from './slices.ts';

/** Large requests that are handled at once. More would share the main thread, and end later. */
const SLOTS = 4;
/**
 * After this time a slot goes to another request if none computes: then the main thread has time to
 * spare, and the requests in the slots wait for vaults.
 */
const SLOT_MS = 200;
/** The wait must exceed its target for this time: a short burst is served completely. */
const INTERVAL_MS = 100;
/** Requests with smaller bodies skip the queue: few of them cost more than a millisecond. */
export const SMALL_BYTES = 16 * 1_024;

export interface WorkQueueOptions {
  /** Target for the longest wait. */
  readonly targetMs: number;
  readonly nowMs: () => number;
  /** The slices of the main thread that requests in slots use. */
  readonly slices: Pick<Slices, 'isBusy' | 'next'>;
  /** Returns the refusal of a request that has waited too long. */
  readonly refuse: () => Error;
}

interface Waiting {
  readonly sinceMs: number;
  readonly start: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * The queue of large requests before they are parsed and handled, by turns among tenants. It sheds
 * by the wait, as CoDel does (RFC 8289): once the wait has exceeded its target for a while, each
 * request that has waited longer is refused. Small requests never wait.
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
   * Returns a function that releases the request's slot: at once if one is free, else as a promise.
   * Rejects with the refusal. `onGone` is called with a function that removes the request from the
   * queue.
   */
  enter(tenantId: string, onGone: (leave: () => void) => void): Promise<() => void> | (() => void) {
    if (this.#running < SLOTS && this.#queue.size === 0) return this.#occupy();
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiting: Waiting = {
      sinceMs: this.#options.nowMs(),
      start: () => {
        const free = this.#occupy();
        void this.#options.slices.next().then(() => resolve(free)); // parsing is long work too
      },
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
    let timer: NodeJS.Timeout;
    const freeLater = () => {
      timer = setTimeout(() => (this.#options.slices.isBusy ? freeLater() : free()), SLOT_MS);
    };
    freeLater();
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
