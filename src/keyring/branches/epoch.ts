/** A period since 1970, UTC: an epoch begins at each multiple of its length. */
export interface EpochTimes {
  /** Start, ms since 1970. */
  readonly startMs: number;
  readonly lengthMs: number;
}

/** Returns the epoch that contains a time. */
export const epochAt = (nowMs: number, lengthMs: number): EpochTimes => ({
  startMs: Math.floor(nowMs / lengthMs) * lengthMs,
  lengthMs,
});

/** Returns the epoch `steps` later; negative steps are earlier. */
export const epochAfter = ({ startMs, lengthMs }: EpochTimes, steps: number): EpochTimes => ({
  startMs: startMs + steps * lengthMs,
  lengthMs,
});

/** Returns the start as RFC 3339 in UTC, in whole seconds: `2026-11-26T00:00:00Z`. */
export const epochLabel = ({ startMs }: EpochTimes): string => new Date(startMs).toISOString().replace('.000Z', 'Z');

/** Returns the part (0 to 1) of its epoch that has passed. */
export const partOfEpoch = ({ startMs, lengthMs }: EpochTimes, nowMs: number): number => (nowMs - startMs) / lengthMs;
