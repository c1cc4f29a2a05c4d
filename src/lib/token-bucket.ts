/**
 * Tokens that are refilled at a steady rate, up to a burst. Times are monotonic milliseconds, given
 * by the caller.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes one token; returns whether one was available. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes this many, into debt if necessary: work that has begun is paid for afterwards. */
  owe(now: number, count: number): void {
    this.#refill(now);
    this.#tokens -= count;
  }

  /** Returns the milliseconds until `count` tokens are available; 0 if they are. */
  msUntil(now: number, count: number = 1): number {
    this.#refill(now);
    return Math.max(0, (count - this.#tokens) / this.#perMs);
  }

  #refill(now: number): void {
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
