import { type Clock, systemClock } from '../../src/lib/clock.ts';

interface Reading {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

const STANDING: Reading = { monotonicMs: 5_000_000, wallMs: Date.UTC(2026, 10, 23) };

/**
 * A clock that a test moves: one that stands still, or one that follows the machine's until `stop`.
 */
export class TestClock implements Clock {
  #monotonicOffsetMs = 0;
  #wallOffsetMs = 0;
  #stoppedAt: Reading | undefined;

  constructor(start: 'standing' | 'running' = 'standing') {
    if (start === 'standing') this.#stoppedAt = STANDING;
  }

  monotonicMs(): number {
    return (this.#stoppedAt?.monotonicMs ?? systemClock.monotonicMs()) + this.#monotonicOffsetMs;
  }

  wallMs(): number {
    return (this.#stoppedAt?.wallMs ?? systemClock.wallMs()) + this.#wallOffsetMs;
  }

  /**
   * Only `advance` moves it from now on, in whole milliseconds, so that a slow machine changes no
   * count.
   */
  stop(): void {
    this.#stoppedAt = { monotonicMs: Math.ceil(systemClock.monotonicMs()), wallMs: systemClock.wallMs() };
  }

  /** Moves both clocks. */
  advance(seconds: number): void {
    this.#monotonicOffsetMs += seconds * 1_000;
    this.#wallOffsetMs += seconds * 1_000;
  }

  /** Moves only the wall clock, as if it were set or the machine resumed from a snapshot. */
  jumpWall(seconds: number): void {
    this.#wallOffsetMs += seconds * 1_000;
  }
}
