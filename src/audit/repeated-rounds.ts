/**
 * Rounds of the same work, each a pause after the one before and never two at once. The timer keeps
 * no process running.
 */
export class RepeatedRounds {
  readonly #work: () => Promise<void>;
  readonly #pauseMs: () => number;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isStopped: boolean = false;

  /** `work` must not reject: a round handles its failures itself. The first begins after a pause. */
  constructor(work: () => Promise<void>, pauseMs: () => number) {
    this.#work = work;
    this.#pauseMs = pauseMs;
    this.#plan();
  }

  /** Whether no further round begins by itself; long work looks at it and ends early. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Runs a round now; a call during a round joins it. */
  run(): Promise<void> {
    this.#round ??= this.#work().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  /** Begins no further round, except by `run`. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Stops, and waits for the round in progress. */
  async close(): Promise<void> {
    this.stop();
    await this.#round;
  }

  #plan(): void {
    const next = async () => {
      await this.run();
      if (!this.#isStopped) this.#plan();
    };
    this.#timer = setTimeout(() => void next(), this.#pauseMs()).unref();
  }
}
