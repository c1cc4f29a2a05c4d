/** One kind of a caller's round. */
type Work = 'message' | 'batch' | 'data key' | 'rewrap' | 'stream';

/** Callers that make the same requests for one tenant. */
export interface Group {
  readonly name: string;
  readonly tenant: string;
  readonly callers: number;
  /** Pause after each answer, give or take a half, whatever its Retry-After is. */
  readonly pauseMs: number;
  /** The rounds of a caller, repeated. */
  readonly mix: readonly Work[];
}
