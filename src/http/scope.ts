import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessClaims } from '../callers/access-claims.ts';
import type { Principal } from '../callers/principal.ts';
import type { ErrorCode, SpentLimit } from '../errors.ts';

/** The known data of a request while it is served; the problem handler and the audit read it. */
export interface RequestScope {
  readonly requestId: string;
  readonly clientRequestId: string | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  operation: string | undefined;
  principal: Principal | undefined;
  tenantId: string | undefined;
  access: AccessClaims | undefined;
  /** The tenant's limits, if it has a quota. */
  limits: readonly SpentLimit[] | undefined;
}

/** Called with each request once its answer is sent; `code` is that of a problem. */
export type OnAnswered = (scope: RequestScope, status: number, code?: ErrorCode) => void;

const SCOPE = Symbol('scope');
const CLIENT_REQUEST_ID = /^[\w.-]{1,64}$/;

/**
 * Returns the scope of a request, created at its first use: no middleware has to run before every
 * route.
 */
export function scopeOf(res: ServerResponse & { [SCOPE]?: RequestScope }): RequestScope {
  res[SCOPE] ??= {
    requestId: randomUUID(),
    clientRequestId: clientRequestIdOf(res.req),
    startedAt: performance.now(),
    operation: undefined,
    principal: undefined,
    tenantId: undefined,
    access: undefined,
    limits: undefined,
  };
  return res[SCOPE];
}

function clientRequestIdOf(req: IncomingMessage): string | undefined {
  const given = req.headers['x-request-id'];
  return typeof given === 'string' && CLIENT_REQUEST_ID.test(given) ? given : undefined;
}
