import type { ServerResponse } from 'node:http';
import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { AuditEvent } from '../audit/event.ts';
import type { AuditSink } from '../audit/sink.ts';
import { type ErrorCode, ServiceError } from '../errors.ts';
import { endEarly } from './end-early.ts';
import { problemTable } from './problem-table.ts';
import { type RequestScope, scopeOf } from './scope.ts';

export interface ProblemDeps {
  readonly audit: AuditSink;
  /** Counts refusals of strangers, so that a flood of them does not flood the log. */
  readonly countRefusal: (event: AuditEvent) => void;
  /** Told of every fault of our own and of every trouble behind us. */
  readonly onFailure: (scope: RequestScope, error: unknown) => void;
}

/** RFC 9457, as it goes over the wire. */
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

/** The one place that every failure passes: records it, then answers. No record, no answer but `audit-unavailable`. */
export function problemHandler(deps: ProblemDeps): ErrorRequestHandler {
  // Express knows an error handler by its four parameters.
  return async (error: unknown, req, res, _next) => {
    const scope = scopeOf(res);
    const failure = await recorded(deps, scope, toFailure(error));
    if (problemTable[failure.code].status >= 500) deps.onFailure(scope, failure);
    if (res.headersSent) {
      res.socket?.resetAndDestroy(); // not a clean end, which an answer without a length could be taken for
      return;
    }
    const body = headOf(res, problemOf(failure, scope.requestId), failure.reason);
    if (req.complete) res.end(body);
    else endEarly(req, res, body);
  };
}

export const routeNotFound: RequestHandler = () => {
  throw new ServiceError('route-not-found', 'There is no such route');
};

export function problemOf(failure: ServiceError, requestId: string): Problem {
  const { code, message, reason, fix, retryAfter, errors } = failure;
  const { status, title } = problemTable[code];
  const isUniform = code === 'unauthenticated' || code === 'internal';
  return {
    type: `urn:vaultspan:problem:${code}`,
    title,
    status,
    code,
    detail: message,
    requestId,
    ...(reason !== undefined && !isUniform && { reason }),
    ...(fix !== undefined && { fix }),
    ...(retryAfter !== undefined && { retryAfter }),
    ...(errors !== undefined && errors.length > 0 && { errors }),
  };
}

export function sendProblem(res: ServerResponse, problem: Problem): void {
  res.end(headOf(res, problem));
}

/** Sets the head and gives the body. `reason` is for `WWW-Authenticate` alone (RFC 6750 §3.1). */
function headOf(res: ServerResponse, problem: Problem, reason?: string): Buffer {
  res.statusCode = problem.status;
  if (problem.retryAfter !== undefined) res.setHeader('Retry-After', problem.retryAfter);
  if (problem.code === 'unauthenticated') res.setHeader('WWW-Authenticate', challengeOf(reason));
  const body = Buffer.from(JSON.stringify(problem));
  res.setHeader('Content-Type', 'application/problem+json');
  res.setHeader('Content-Length', body.length);
  return body;
}

const challengeOf = (reason = 'missing'): string =>
  reason === 'missing' ? 'Bearer' : `Bearer error="invalid_token", error_description="${reason}"`;

/** Whatever is not a ServiceError or Express' own complaint of a path is a fault of ours: an id, and no detail. */
function toFailure(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof URIError) {
    const detail = 'is not well percent-encoded';
    return new ServiceError('malformed-request', `The path ${detail}`, { errors: [{ pointer: '/path', detail }] });
  }
  return new ServiceError('internal', 'The service failed; its log has the cause under this request id', {
    cause: error,
  });
}

async function recorded(deps: ProblemDeps, scope: RequestScope, failure: ServiceError): Promise<ServiceError> {
  const event = eventOf(scope, failure);
  try {
    if (scope.principal === undefined) deps.countRefusal(event);
    else await deps.audit.record(event);
    return failure;
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

function eventOf(scope: RequestScope, { code, reason, vaultRequestId }: ServiceError): AuditEvent {
  const { status } = problemTable[code];
  return {
    operation: scope.operation ?? 'none',
    outcome: status >= 500 || status === 429 ? 'failed' : 'refused',
    code,
    ...(reason !== undefined && { reason }),
    requestId: scope.requestId,
    ...(scope.clientRequestId !== undefined && { clientRequestId: scope.clientRequestId }),
    ...(scope.principal !== undefined && { principal: scope.principal.id }),
    ...(vaultRequestId !== undefined && { vaultRequestId }),
    ...(scope.tenantId !== undefined && scope.principal !== undefined && { tenantId: scope.tenantId }),
  };
}
