/** Clocks: real ones, or a test's. */
export interface Time {
  /** Milliseconds on a clock that never goes back. */
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
}

export const systemTime: Time = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };

/** The end of something that may be used until a moment, whatever is done to the machine's clock. */
export interface End {
  readonly atMs: number;
  readonly wallAheadMs: number;
}

/** A machine that slept, or was resumed from a snapshot, shows it by its wall clock only. */
const MAX_JUMP_MS = 5_000;

/** Returns the end that comes `seconds` after a monotonic moment. */
export function endAfter(time: Time, startedMs: number, seconds: number): End {
  return { atMs: startedMs + seconds * 1000, wallAheadMs: time.wallMs() - time.monotonicMs() };
}

/** Returns whether an end has come, or a jump of the clock hides whether it has. */
export function hasEnded(time: Time, end: End): boolean {
  const now = time.monotonicMs();
  return now >= end.atMs || Math.abs(time.wallMs() - now - end.wallAheadMs) > MAX_JUMP_MS;
}
