const CAPACITY = 10_000;

export interface RequestLogEntry {
  /** ISO 8601. */
  readonly time: string;
  /** `entra`, `graph`, or the vault's short name. */
  readonly at: string;
  readonly operation: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** 0: the request got no answer (a fault hung or reset it). */
  readonly status: number;
  readonly tenantId?: string;
  readonly appId?: string;
  readonly clientRequestId?: string;
  /** W3C Trace Context, as it came. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly errorCode?: string;
}

/** The last 10,000 requests. Bodies, tokens and secrets never come here. */
export interface RequestLog {
  add(entry: RequestLogEntry): void;
  entries(): readonly RequestLogEntry[];
  clear(): void;
}

export function createRequestLog(): RequestLog {
  let entries: RequestLogEntry[] = [];
  return {
    add(entry) {
      entries.push(entry);
      // Cut in one go at twice the capacity: a shift for each request would move the whole array.
      if (entries.length >= 2 * CAPACITY) entries = entries.slice(-CAPACITY);
    },
    entries: () => entries.slice(-CAPACITY),
    clear() {
      entries = [];
    },
  };
}
