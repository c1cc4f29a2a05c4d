import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler, Response } from 'express';
import type { Principal } from '../callers/principal.ts';
import type { ErrorCode } from '../errors.ts';

/** What is known of a request while it is served; the problem handler and the audit read it. */
export interface RequestScope {
  readonly requestId: string;
  readonly clientRequestId: string | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  operation: string | undefined;
  principal: Principal | undefined;
  tenantId: string | undefined;
}

/** Told of each request once its answer is sent; `code` is that of a problem. */
export type OnAnswered = (scope: RequestScope, status: number, code?: ErrorCode) => void;

const CLIENT_REQUEST_ID = /^[\w.-]{1,64}$/;

/** First of all middleware: gives the request its id. */
export const openScope: RequestHandler = (req, res, next) => {
  const requestId = randomUUID();
  const scope: RequestScope = {
    requestId,
    clientRequestId: clientRequestIdOf(req),
    startedAt: performance.now(),
    operation: undefined,
    principal: undefined,
    tenantId: undefined,
  };
  res.locals['scope'] = scope;
  res.setHeader('X-Request-Id', requestId);
  next();
};

export const scopeOf = (res: Response): RequestScope => res.locals['scope'] as RequestScope;

function clientRequestIdOf(req: IncomingMessage): string | undefined {
  const given = req.headers['x-request-id'];
  return typeof given === 'string' && CLIENT_REQUEST_ID.test(given) ? given : undefined;
}
