/** How long a client may take, in milliseconds. */
export interface Deadlines {
  /** To send the head of a request. */
  readonly headersMs: number;
  /** Between two looks at the heads that are not complete. */
  readonly checkEveryMs: number;
  /** To send a whole JSON body, however steadily it trickles. */
  readonly bodyMs: number;
}

export const DEADLINES: Deadlines = { headersMs: 15_000, checkEveryMs: 5_000, bodyMs: 30_000 };
