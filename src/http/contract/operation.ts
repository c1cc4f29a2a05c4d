import type * as z from 'zod';
import type { Role } from '../../callers/principal.ts';
import type { ErrorCode } from '../../errors.ts';

/** One operation of the API: everything that is known of it beside its handler. */
export interface Operation {
  /** `operation` of its audit records, refusals included; absent where only refusals are counted. */
  readonly auditedAs?: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: `/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** Role that the caller's token must carry; absent where no token is needed. */
  readonly role?: Role;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** What is printed where the body is checked by the operation, which knows more than the contract. */
  readonly bodyInPrint?: z.ZodType;
  /** Media type of the body; application/json without it. */
  readonly bodyType?: 'application/merge-patch+json';
  /** What makes its body large: a message or a batch of them. Other bodies are small. */
  readonly carries?: 'message' | 'batch';
  /** Takes `If-Match`: required, or to replace what exists. */
  readonly ifMatch?: 'required' | 'to-replace';
  readonly bodyExample?: unknown;
  /** Absent, the answer is 204. */
  readonly response?: z.ZodType;
  readonly responseExample?: unknown;
  /** Returns the answer's JSON; JSON.stringify without it. The handler's answer must be of its type too. */
  readonly encode?: (answer: never) => string;
  /** The answer's member that is also given as NDJSON, to those who ask for it. */
  readonly lines?: string;
  /** The answer's `revision` is given as `ETag` too. */
  readonly etag?: true;
  /** What it may answer beside success; what every authenticated call may answer is added when it is printed. */
  readonly errors: readonly ErrorCode[];
}

export const BODY_ERRORS = ['malformed-request', 'body-too-large', 'unsupported-media-type'] as const;
export const TENANT_ERRORS = ['tenant-not-found', 'tenant-suspended', 'registry-unavailable'] as const;

const VAULT_TROUBLE = [
  'vault-throttled',
  'vault-unavailable',
  'identity-unavailable',
  'home-credential-rejected',
] as const;
export const ACCESS_ERRORS = ['access-revoked', 'tenant-misconfigured', ...VAULT_TROUBLE] as const;
export const CIPHERTEXT_ERRORS = [
  'malformed-ciphertext',
  'wrong-tenant',
  'unknown-key',
  'context-mismatch',
  'undecryptable',
] as const;
