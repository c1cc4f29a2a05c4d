/** Larger differences mean that one of two clocks is wrong. */
const TOLERANCE_MS = 5 * 60_000;

export interface ClockWatchOptions {
  /** This process's clock, milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
  /** Called once when a difference begins, and once when it ends. */
  readonly onDisagreement: (seconds: number) => void;
  readonly onAgreement: () => void;
}

interface ComparedTime {
  /** The other clock's time, milliseconds since 1970. */
  readonly at: number;
  /** Whether this process's clock agrees with it, within 5 minutes. */
  readonly agrees: boolean;
}

/**
 * Compares this process's clock with another one before anything depends on the time. A wrong clock
 * must not make records look old: nothing is removed while two clocks disagree, since neither knows
 * which one is right.
 */
export class ClockWatch {
  readonly now: () => number;
  readonly #options: ClockWatchOptions;
  #differenceMs = 0;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
    this.now = options.now ?? Date.now;
  }

  /** Returns the reason that nothing is removed; undefined while the clocks agree. */
  trouble(): string | undefined {
    const seconds = Math.round(this.#differenceMs / 1000);
    return this.#differenceMs === 0 ? undefined : `another clock differs from this process's by ${seconds} s`;
  }

  /**
   * Returns another clock's time. Reading it may take a while: agreement with any moment of the
   * wait is enough.
   */
  async compare(read: () => Promise<number>): Promise<ComparedTime> {
    const before = this.now();
    const at = await read();
    return { at, agrees: this.judge(at < before ? at - before : Math.max(0, at - this.now())) };
  }

  /** Returns whether a difference is small enough. */
  judge(differenceMs: number): boolean {
    const before = this.#differenceMs;
    this.#differenceMs = Math.abs(differenceMs) > TOLERANCE_MS ? differenceMs : 0;
    if (before === 0 && this.#differenceMs !== 0) this.#options.onDisagreement(Math.round(differenceMs / 1000));
    if (before !== 0 && this.#differenceMs === 0) this.#options.onAgreement();
    return this.#differenceMs === 0;
  }
}
