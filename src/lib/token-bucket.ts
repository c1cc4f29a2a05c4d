/** Tokens that come back at a steady rate, up to a burst. Times are monotonic milliseconds, given by whoever asks. */
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

  /** Takes one where it is there. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes so many, into debt if need be: what was begun is paid for afterwards. */
  owe(now: number, count: number): void {
    this.#refill(now);
    this.#tokens -= count;
  }

  /** Milliseconds until `count` tokens are there; 0 when they are. */
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
