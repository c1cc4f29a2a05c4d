/** How fast processes are replaced. */
export interface Pace {
  /** A process that ends before it has served for so long ended fast. */
  readonly steadyMs: number;
  /** Pause before the second start after fast ends in a row; doubled each time. The first has none. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
  /** Fast ends in a row after which the service ends, if no process serves. */
  readonly maxFastEnds: number;
  /** Time beyond `http.drainSeconds` after which a process is killed. */
  readonly killMs: number;
}

export const PACE: Pace = {
  steadyMs: 10_000,
  pauseMs: 250,
  maxPauseMs: 30_000,
  maxFastEnds: 8,
  killMs: 10_000,
};

/** Returns the pause before a start after so many fast ends in a row. */
export const pauseAfter = (fastEnds: number, { pauseMs, maxPauseMs }: Pace): number =>
  fastEnds <= 1 ? 0 : Math.min(maxPauseMs, pauseMs * 2 ** (fastEnds - 2));
