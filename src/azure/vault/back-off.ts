const FIRST_MS = 2_000;
/** A vault's quota is per 10 s: one that asks for a day is asked again after a minute all the same. */
const LONGEST_MS = 60_000;

/**
 * How long a vault that answered 429 is left alone: as long as its Retry-After says; without one 2 s, then twice as long each time, with
 * jitter so that processes don't come back together. Times are monotonic milliseconds.
 */
export class BackOff {
  #until = Number.NEGATIVE_INFINITY;
  #begunAt = Number.NEGATIVE_INFINITY;
  #nextMs = FIRST_MS;

  msLeft(now: number): number {
    return Math.max(0, this.#until - now);
  }

  /** A call that began at `startedAt` was throttled; those under way together count as one. `retryAfter` is in seconds. */
  throttled(startedAt: number, retryAfter: number | undefined, now: number): void {
    const isAnother = startedAt > this.#begunAt;
    if (retryAfter === undefined && !isAnother) return;
    const pauseMs = retryAfter === undefined ? this.#nextMs * (1 - Math.random() / 2) : retryAfter * 1_000;
    this.#until = Math.max(this.#until, now + Math.min(pauseMs, LONGEST_MS));
    if (!isAnother) return;
    this.#begunAt = now;
    this.#nextMs = Math.min(this.#nextMs * 2, LONGEST_MS);
  }

  /** A call that began at `startedAt` was served. */
  served(startedAt: number): void {
    if (startedAt >= this.#until) this.#nextMs = FIRST_MS;
  }
}
