/** What a round of a caller is. */
type Work = 'message' | 'batch' | 'data key' | 'rewrap' | 'stream';

/** Callers that do the same for one tenant. */
export interface Group {
  readonly name: string;
  readonly tenant: string;
  readonly callers: number;
  /** After each answer, give or take a half, whatever its Retry-After says. */
  readonly pauseMs: number;
  /** The rounds of a caller, over and over. */
  readonly mix: readonly Work[];
}
