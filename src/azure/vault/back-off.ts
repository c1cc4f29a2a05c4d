const FIRST_MS = 2_000;
/**
 * A vault's quota is per 10 s: a vault that requests a pause of a day is called again after a
 * minute all the same.
 */
const LONGEST_MS = 60_000;

/**
 * The pause of a vault after a 429: its Retry-After, or 2 s without one, doubled each time. Jitter
 * prevents processes from retrying together. Times are monotonic milliseconds.
 */
export class BackOff {
  #until = Number.NEGATIVE_INFINITY;
  #begunAt = Number.NEGATIVE_INFINITY;
  #nextMs = FIRST_MS;

  msLeft(now: number): number {
    return Math.max(0, this.#until - now);
  }

  /**
   * Notes that a call which began at `startedAt` was throttled; concurrent ones count as one.
   * `retryAfter` is in seconds.
   */
  throttled(startedAt: number, retryAfter: number | undefined, now: number): void {
    const isAnother = startedAt > this.#begunAt;
    if (retryAfter === undefined && !isAnother) return;
    const pauseMs = retryAfter === undefined ? this.#nextMs * (1 - Math.random() / 2) : retryAfter * 1_000;
    this.#until = Math.max(this.#until, now + Math.min(pauseMs, LONGEST_MS));
    if (!isAnother) return;
    this.#begunAt = now;
    this.#nextMs = Math.min(this.#nextMs * 2, LONGEST_MS);
  }

  /** Notes that a call which began at `startedAt` was served. */
  served(startedAt: number): void {
    if (startedAt >= this.#until) this.#nextMs = FIRST_MS;
  }
}
