/**
 * Every failure that a caller may see, by its published code (`docs/errors.md`). Codes are never
 * renamed.
 */
export type ErrorCode =
  | 'malformed-request'
  | 'malformed-ciphertext'
  | 'unauthenticated'
  | 'grant-missing'
  | 'tenant-suspended'
  | 'access-revoked'
  | 'policy-refused'
  | 'tenant-not-found'
  | 'index-not-found'
  | 'lease-not-found'
  | 'log-not-found'
  | 'drill-not-found'
  | 'usage-not-found'
  | 'link-not-found'
  | 'route-not-found'
  | 'method-not-allowed'
  | 'tenant-misconfigured'
  | 'key-use'
  | 'key-taken'
  | 'drill-running'
  | 'too-many-links'
  | 'index-version'
  | 'registry-read-only'
  | 'tenant-exists'
  | 'revision-mismatch'
  | 'precondition-required'
  | 'body-too-large'
  | 'unsupported-media-type'
  | 'wrong-tenant'
  | 'unknown-key'
  | 'unknown-key-alias'
  | 'context-mismatch'
  | 'undecryptable'
  | 'caller-throttled'
  | 'quota-exceeded'
  | 'vault-throttled'
  | 'internal'
  | 'vault-unavailable'
  | 'identity-unavailable'
  | 'home-credential-rejected'
  | 'registry-unavailable'
  | 'audit-unavailable'
  | 'overloaded'
  | 'draining'
  | 'http-version';

/**
 * The party that can fix a failure: the vendor's operator, the customer's directory administrator,
 * or the owner of the vault.
 */
export type FixOwner = 'vendor' | 'customer-admin' | 'resource-owner';

/** The fix of a failure; `command` is complete and can be pasted. */
export interface Fix {
  readonly owner: FixOwner;
  readonly action: string;
  readonly command?: string;
}

/**
 * One invalid field: a JSON pointer (RFC 6901) into the body, or `path`, `query` and `header` names
 * as `/path/tenantId`.
 */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** The two ids of one vault call and the policy that it read, only for the audit. */
export interface VaultCallIds {
  /**
   * `x-ms-request-id` of the answer, made by Azure: the customer's log has it as CorrelationId.
   * Absent without an answer.
   */
  readonly vaultRequestId?: string | undefined;
  /** `x-ms-client-request-id` of the request, made by us. */
  readonly vaultClientRequestId?: string | undefined;
  /** Hash of the customer's policy on the key; absent without one. */
  readonly policy?: string | undefined;
}

/** A limit of a caller or a tenant, and what is left of it. */
export interface SpentLimit {
  readonly name: string;
  /** In a window of this length. */
  readonly limit: number;
  readonly windowSeconds: number;
  readonly left: number;
  /** Time until more is left. */
  readonly seconds: number;
}

export interface ServiceErrorOptions extends ErrorOptions {
  /** Machine-readable cause within the code, such as `role-missing`. */
  readonly reason?: string | undefined;
  readonly fix?: Fix | undefined;
  /**
   * The scope of a refusal of access: one key version, or the whole tenant (its sign-in was
   * refused).
   */
  readonly scope?: 'key' | 'tenant' | undefined;
  /** Seconds after which a retry makes sense. */
  readonly retryAfter?: number | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  /** Of a refusal for a limit: all limits that apply. */
  readonly limits?: readonly SpentLimit[] | undefined;
  /** The vault call that failed; for the audit, never for the caller. */
  readonly vaultCall?: VaultCallIds | undefined;
}

/**
 * A failure with a published code. `message` is shown to the caller: it contains no secret and no
 * text of a foreign error.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: ErrorCode;
  readonly reason: string | undefined;
  readonly fix: Fix | undefined;
  readonly scope: 'key' | 'tenant' | undefined;
  readonly retryAfter: number | undefined;
  readonly errors: readonly FieldError[] | undefined;
  readonly limits: readonly SpentLimit[] | undefined;
  readonly vaultCall: VaultCallIds | undefined;

  constructor(code: ErrorCode, detail: string, options: ServiceErrorOptions = {}) {
    super(detail, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.reason = options.reason;
    this.fix = options.fix;
    this.scope = options.scope;
    this.retryAfter = options.retryAfter;
    this.errors = options.errors;
    this.limits = options.limits;
    this.vaultCall = options.vaultCall;
  }

  /** Returns the same failure with some options replaced. */
  with(change: ServiceErrorOptions): ServiceError {
    const { reason, fix, scope, retryAfter, errors, limits, vaultCall, cause } = this;
    return new ServiceError(this.code, this.message, {
      ...{ reason, fix, scope, retryAfter, errors, limits, vaultCall, cause },
      ...change,
    });
  }
}

/**
 * The reason that the database cannot be used: its host or file and the error's code. For the
 * operator, never for callers.
 */
export class DatabaseTrouble extends Error {
  override readonly name = 'DatabaseTrouble';
  /** The driver's own code; '' without one. */
  readonly code: string;

  constructor(text: string, options: ErrorOptions & { readonly code: string }) {
    super(text, { cause: options.cause });
    this.code = options.code;
  }
}
