import type { Clock } from '../../src/lib/clock.ts';

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #monotonicMs = 5_000_000;
  #wallMs = Date.UTC(2026, 10, 23);

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  /** Time passes, on both clocks alike. */
  advance(seconds: number): void {
    this.#monotonicMs += seconds * 1_000;
    this.#wallMs += seconds * 1_000;
  }

  /** The wall clock is set, or the machine was resumed from a snapshot. */
  jumpWall(seconds: number): void {
    this.#wallMs += seconds * 1_000;
  }
}
