import type { components } from './generated/api.ts';

/** A problem as the service sends it (RFC 9457, `application/problem+json`). */
export type Problem = components['schemas']['Problem'];

/** What the customer, the vendor or the caller does about a problem. */
export type Fix = components['schemas']['ProblemFix'];

/** A field at fault, by JSON pointer into what was sent. */
export type FieldFault = components['schemas']['ProblemField'];

/**
 * Codes of failures that the client finds itself; every other code is the service's (its `docs/errors.md`).
 * - `unreachable`: no answer, or one that broke off.
 * - `timed-out`: no result within `timeoutMs`; `cause` is the last failure.
 * - `unexpected-answer`: an answer that is not the service's, such as a proxy's page.
 * - `closed`: the client was closed.
 * - `local-refused`: `local: 'required'`, and this call can't be done in the process.
 */
export type ClientCode = 'unreachable' | 'timed-out' | 'unexpected-answer' | 'closed' | 'local-refused';

export interface VaultspanErrorParts {
  readonly code: string;
  readonly message: string;
  readonly status?: number | undefined;
  readonly reason?: string | undefined;
  readonly fix?: Fix | undefined;
  readonly errors?: readonly FieldFault[] | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly isRetryable?: boolean;
  readonly cause?: unknown;
}

/** Why a call failed. It never holds a plaintext, a key, a token or a context. */
export class VaultspanError extends Error {
  override readonly name = 'VaultspanError';
  /** The service's code, never renamed, or a `ClientCode`. */
  readonly code: string;
  /** The HTTP status; absent where there was no answer. */
  readonly status: number | undefined;
  /** The cause within the code, such as `role-missing` or `key-disabled`. */
  readonly reason: string | undefined;
  readonly fix: Fix | undefined;
  readonly errors: readonly FieldFault[];
  /** The id under which the service's audit log has the call. */
  readonly requestId: string | undefined;
  /** True where the same call may succeed later; the client has retried it already as far as its deadline allowed. */
  readonly isRetryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(parts: VaultspanErrorParts) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.status = parts.status;
    this.reason = parts.reason;
    this.fix = parts.fix;
    this.errors = parts.errors ?? [];
    this.requestId = parts.requestId;
    this.isRetryable = parts.isRetryable ?? false;
    this.retryAfterMs = parts.retryAfterMs;
  }
}

/** Returns the error of a problem, whether it is the whole answer or an item's of a batch. */
export function problemError(problem: Problem, retryAfterMs = milliseconds(problem.retryAfter)): VaultspanError {
  const { code, status, detail, reason, fix, errors, requestId } = problem;
  const action = fix === undefined ? '' : `${/[.!?]$/.test(detail) ? '' : '.'} ${fix.action}`;
  return new VaultspanError({
    code,
    status,
    reason,
    fix,
    errors,
    requestId,
    retryAfterMs,
    message: `${code}: ${detail}${action}`,
    isRetryable: status === 429 || status === 503,
  });
}

/** Returns whether a value has the members of a problem that the client relies on. */
export function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false;
  const { code, status, detail } = value as Partial<Record<keyof Problem, unknown>>;
  return typeof code === 'string' && typeof status === 'number' && typeof detail === 'string';
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
