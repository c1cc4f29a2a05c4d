import type { IncomingHttpHeaders } from 'node:http';
import type { RequestHandler } from 'express';

/** The span of one request, as the HTTP layer uses it. */
interface OpenedSpan {
  /** Runs `next` within the span. */
  run(next: () => void): void;
  /** Ends the span if no answer has. */
  abandon(): void;
}

/** Opens a span; `headers` may carry the caller's context (W3C Trace Context). */
export type OpenSpan = (method: string, headers: IncomingHttpHeaders) => OpenedSpan;

/** Returns the middleware, which is mounted only if tracing is configured. */
export function traceRequests(openSpan: OpenSpan): RequestHandler {
  return (req, res, next) => {
    const span = openSpan(req.method, req.headers);
    res.once('close', () => span.abandon());
    span.run(next);
  };
}
