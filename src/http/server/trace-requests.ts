import type { IncomingHttpHeaders } from 'node:http';
import type { RequestHandler } from 'express';

/** The span of one request, as far as the web layer knows of it. */
interface OpenedSpan {
  /** Everything that `next` starts belongs to the span. */
  run(next: () => void): void;
  /** Ends it where no answer has. */
  abandon(): void;
}

/** `headers` may carry the caller's context (W3C Trace Context). */
export type OpenSpan = (method: string, headers: IncomingHttpHeaders) => OpenedSpan;

/** Mounted only where traces are wanted. */
export function traceRequests(openSpan: OpenSpan): RequestHandler {
  return (req, res, next) => {
    const span = openSpan(req.method, req.headers);
    res.once('close', () => span.abandon());
    span.run(next);
  };
}
