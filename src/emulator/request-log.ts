const CAPACITY = 10_000;

export interface RequestLogEntry {
  /** ISO 8601. */
  readonly time: string;
  /** `entra`, `graph`, `ingestion`, or the vault's short name. */
  readonly at: string;
  readonly operation: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** 0: the request got no answer, because a fault hung or reset it. */
  readonly status: number;
  readonly tenantId?: string;
  readonly appId?: string;
  readonly clientRequestId?: string;
  /** `x-ms-request-id` of the answer. */
  readonly requestId: string;
  /** W3C Trace Context, as received. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly errorCode?: string;
}

/** The last 10,000 entries. Bodies, tokens and secrets are never logged. */
export interface Log<Entry> {
  add(entry: Entry): void;
  entries(): readonly Entry[];
  clear(): void;
}

export type RequestLog = Log<RequestLogEntry>;

/** Returns an empty log. */
export function createLog<Entry>(): Log<Entry> {
  let entries: Entry[] = [];
  return {
    add(entry) {
      entries.push(entry);
      // Trimmed once at twice the capacity: a shift for each request would move the whole array.
      if (entries.length >= 2 * CAPACITY) entries = entries.slice(-CAPACITY);
    },
    entries: () => entries.slice(-CAPACITY),
    clear() {
      entries = [];
    },
  };
}
