import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { AuditEvent } from '../../audit/event.ts';
import type { AuditSink } from '../../audit/sink.ts';
import { type ErrorCode, ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { type OnAnswered, type RequestScope, scopeOf } from '../scope.ts';
import { type EndAnswer, type Headers, sendText } from './answer.ts';
import { challengeOf, unauthenticatedDetail } from './challenge.ts';
import { endEarly } from './end-early.ts';
import { problemTable } from './problem-table.ts';
import { rateLimitHeaders } from './rate-limit.ts';

export interface ProblemDeps {
  readonly audit: AuditSink;
  /**
   * Counts refusals of strangers, of callers without the role, and of shed requests: a flood of
   * them must not flood the audit.
   */
  readonly countRefusal: (event: AuditEvent) => void;
  /** Called for each fault of ours and each failure of a dependency, however many there are. */
  readonly onFailure: (scope: Pick<RequestScope, 'requestId' | 'operation'>, error: unknown) => void;
  readonly onAnswered: OnAnswered | undefined;
}

/** RFC 9457, as sent to the client. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly requestId: string;
  readonly reason?: string;
  readonly fix?: ServiceError['fix'];
  readonly retryAfter?: number;
  readonly errors?: ServiceError['errors'];
}

/** A record of each would cost more than the request would have. */
const SHED: ReadonlySet<ErrorCode> = new Set(['overloaded', 'caller-throttled']);
/**
 * Refusals that a caller can cause without limit, at no cost of its own: the audit has one record
 * for many.
 */
const GATHERED: ReadonlySet<ErrorCode> = new Set([...SHED, 'grant-missing', 'quota-exceeded']);

/** Returns whether this is a fault of ours or a failure of a dependency. */
export const isWorthLogging = ({ code }: ServiceError): boolean => problemTable[code].status >= 500 && !SHED.has(code);

/**
 * Handles every failure: records it, then answers. Without a record the only answer is
 * `audit-unavailable`.
 */
export async function answerFailure(
  deps: ProblemDeps,
  req: IncomingMessage,
  res: ServerResponse,
  error: unknown,
): Promise<void> {
  const scope = scopeOf(res);
  const failure = await settleFailure(deps, scope, error);
  if (res.headersSent) {
    res.socket?.resetAndDestroy(); // no clean end, which could pass for an answer without a length
  } else {
    const limits = failure.limits && rateLimitHeaders(failure.limits);
    await answerProblem(req, res, problemOf(failure, scope.requestId), failure.reason, limits);
  }
  deps.onAnswered?.(scope, problemTable[failure.code].status, failure.code);
}

/**
 * Records a failure, and logs it if it is a fault of ours. Returns the failure to answer with.
 */
export async function settleFailure(deps: ProblemDeps, scope: RequestScope, error: unknown): Promise<ServiceError> {
  const failure = await recorded(deps, scope, toFailure(error));
  if (isWorthLogging(failure)) deps.onFailure(scope, failure);
  return failure;
}

/** Returns the same for Express, which recognises an error handler by its four parameters. */
export const problemHandler =
  (deps: ProblemDeps): ErrorRequestHandler =>
  (error: unknown, req, res, _next) =>
    answerFailure(deps, req, res, error);

/**
 * Sends a problem. Small bodies arrive with their head, and are parsed before the next turn of the
 * event loop: a refused request then costs no new connection. If an unread body is still arriving,
 * the connection ends with the answer.
 */
export async function answerProblem(
  req: IncomingMessage,
  res: ServerResponse,
  problem: Problem,
  reason?: string,
  more: Headers = [],
): Promise<void> {
  if (!req.complete) await setImmediate();
  if (req.complete) {
    sendProblem(res, problem, reason, more);
    return;
  }
  res.setHeader('Connection', 'close');
  sendProblem(res, problem, reason, more, (body) => endEarly(req, res, body));
}

export const routeNotFound: RequestHandler = () => {
  throw new ServiceError('route-not-found', 'The route does not exist');
};

export function problemOf(failure: ServiceError, requestId: string): Problem {
  const { code, message, reason, fix, retryAfter, errors } = failure;
  const { status, title } = problemTable[code];
  const isUniform = code === 'unauthenticated' || code === 'internal';
  return defined({
    type: `urn:vaultspan:problem:${code}`,
    title,
    status,
    code,
    detail: code === 'unauthenticated' ? unauthenticatedDetail(reason) : message,
    requestId,
    reason: isUniform ? undefined : reason,
    fix,
    retryAfter,
    errors: errors?.length === 0 ? undefined : errors,
  });
}

/** Sends a problem; `reason` is for `WWW-Authenticate` only (RFC 6750 §3.1). */
function sendProblem(
  res: ServerResponse,
  problem: Problem,
  reason: string | undefined,
  more: Headers,
  end?: EndAnswer,
): void {
  const headers: (string | number)[] = ['X-Request-Id', problem.requestId, ...more];
  if (problem.retryAfter !== undefined) headers.push('Retry-After', problem.retryAfter);
  if (problem.code === 'unauthenticated') headers.push('WWW-Authenticate', challengeOf(reason));
  sendText(res, problem.status, 'application/problem+json', JSON.stringify(problem), headers, end);
}

/**
 * Returns the failure to answer with. Any error other than a ServiceError or Express' own path
 * error is a fault of ours: an id, and no detail.
 */
export function toFailure(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof URIError) {
    const detail = 'is not valid percent-encoding';
    return new ServiceError('malformed-request', `The path ${detail}`, { errors: [{ pointer: '/path', detail }] });
  }
  return new ServiceError('internal', 'The service failed; its log has the cause', {
    cause: error,
  });
}

async function recorded(deps: ProblemDeps, scope: RequestScope, failure: ServiceError): Promise<ServiceError> {
  const event = eventOf(scope, failure);
  try {
    if (scope.principal === undefined || GATHERED.has(failure.code)) deps.countRefusal(event);
    else await deps.audit.record(event);
    return failure;
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

function eventOf(scope: RequestScope, { code, reason, vaultCall }: ServiceError): AuditEvent {
  const { status } = problemTable[code];
  return {
    operation: scope.operation ?? 'none',
    outcome: status >= 500 || status === 429 ? 'failed' : 'refused',
    code,
    reason,
    requestId: scope.requestId,
    clientRequestId: scope.clientRequestId,
    principal: scope.principal?.id,
    vaultRequestId: vaultCall?.vaultRequestId,
    vaultClientRequestId: vaultCall?.vaultClientRequestId,
    policy: vaultCall?.policy,
    tenantId: scope.principal && scope.tenantId,
    access: scope.access,
  };
}
