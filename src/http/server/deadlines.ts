/** The time limits of a client, in milliseconds. */
export interface Deadlines {
  /** To send the head of a request. */
  readonly headersMs: number;
  /** Between two checks for incomplete heads. */
  readonly checkEveryMs: number;
  /** To send a whole JSON body, however steadily it arrives. */
  readonly bodyMs: number;
}

export const DEADLINES: Deadlines = { headersMs: 15_000, checkEveryMs: 5_000, bodyMs: 30_000 };
