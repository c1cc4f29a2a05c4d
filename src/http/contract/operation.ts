import type * as z from 'zod';
import type { Role } from '../../callers/principal.ts';
import type { ErrorCode } from '../../errors.ts';

/** One operation of the API, without its handler. */
export interface Operation {
  /** `operation` in its audit records, refusals included. Absent if only refusals are recorded. */
  readonly auditedAs?: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: `/${string}`;
  /** The last parameter of the path, if it may have slashes. */
  readonly rest?: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** The role that the caller's token must have. Absent if no token is needed. */
  readonly role?: Role;
  /** Further roles that the token must have. */
  readonly alsoNeeds?: readonly Role[];
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /**
   * The schema to print, if the operation checks the body because it knows more than the contract.
   */
  readonly bodyInPrint?: z.ZodType;
  /** Media type of the body. Absent: application/json. */
  readonly bodyType?: 'application/merge-patch+json';
  /**
   * The reason that its body is large: a message or a batch of messages. Other bodies are small.
   */
  readonly carries?: 'message' | 'batch';
  /** Whether `If-Match` is required, or needed only to replace a record. Absent: ignored. */
  readonly ifMatch?: 'required' | 'to-replace';
  readonly bodyExample?: unknown;
  /** The header with which a request has the body. Without it no body is read, nor printed. */
  readonly bodyWith?: { readonly header: string; readonly value: string };
  /** The answer is 202 without content, whatever came of it, unless the handler returns one. */
  readonly isAccepted?: true;
  /** Absent: the answer is raw, or 204. */
  readonly response?: z.ZodType;
  /** Media type of an answer that is not JSON: the handler returns its text or its bytes. */
  readonly raw?: string;
  readonly responseExample?: unknown;
  /**
   * Returns the answer's JSON, or the pieces of its bytes; default JSON.stringify. The handler's
   * answer must have its type too.
   */
  readonly encode?: (answer: never) => string | readonly Buffer[];
  /** The member of the answer that is also available as NDJSON. */
  readonly lines?: string;
  /** The member of the answer that is also available as CSV, with the columns of its rows. */
  readonly csv?: { readonly member: string; readonly columns: readonly string[] };
  /** The answer is also available as NDJSON: a line for each step as it ends, then the whole result. */
  readonly steps?: true;
  /** The answer's `revision` is also sent as `ETag`. */
  readonly etag?: true;
  /**
   * The codes of its possible answers. Those of every authenticated call are added when it is
   * printed.
   */
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
export const ACCESS_ERRORS = ['access-revoked', 'policy-refused', 'tenant-misconfigured', ...VAULT_TROUBLE] as const;
export const CIPHERTEXT_ERRORS = [
  'malformed-ciphertext',
  'wrong-tenant',
  'unknown-key',
  'context-mismatch',
  'undecryptable',
] as const;
