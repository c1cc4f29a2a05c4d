import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

/** The span of one request, as the HTTP layer uses it. */
interface OpenedSpan {
  /** Runs `next` within the span. */
  run(next: () => void): void;
  /** Ends the span if no answer has. */
  abandon(): void;
}

/** Opens a span; `headers` may carry the caller's context (W3C Trace Context). */
export type OpenSpan = (method: string, headers: IncomingHttpHeaders) => OpenedSpan;

/** Runs the handling of a request within its span. */
export function traced(openSpan: OpenSpan, req: IncomingMessage, res: ServerResponse, handle: () => void): void {
  const span = openSpan(req.method ?? '', req.headers);
  res.once('close', () => span.abandon());
  span.run(handle);
}
