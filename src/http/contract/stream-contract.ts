import * as z from 'zod';
import type { Role } from '../../callers/principal.ts';
import type { ErrorCode } from '../../errors.ts';
import { Alias, EncryptResult, RewrapRequest, TenantParams } from './fields.ts';
import { ACCESS_ERRORS, BODY_ERRORS, CIPHERTEXT_ERRORS, type Operation, TENANT_ERRORS } from './operation.ts';

/**
 * An operation with an `application/octet-stream` body and answer. It reads `Encryption-Context`
 * and returns `Key-Id`.
 */
export interface StreamOperation {
  /** `operation` of its audit records. */
  readonly auditedAs: string;
  readonly method: 'post';
  readonly path: `/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly role: Role;
  readonly params: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly errors: readonly ErrorCode[];
}

const STREAM_ERRORS = [...BODY_ERRORS, 'http-version', ...TENANT_ERRORS] as const;

const DUPLEX =
  "The client must read the answer while it sends the body: the answer begins after 1 MiB. A client that reads nothing until it has sent everything blocks, and the service closes the connection after 30 s without progress. curl, Go and Node's `fetch` (`duplex: half`) read while they send. Python's http.client, requests, httpx and aiohttp and Java's HttpClient do not: use `data-keys`, or `vaultspan encrypt-file` and `decrypt-file`. After the first byte, a failure closes the connection. So an answer counts only when it is complete: all bytes of `Content-Length`, which the answer has when the request has one, or the last chunk.";

export const streamOperations = {
  encryptStream: {
    auditedAs: 'encrypt-stream',
    method: 'post',
    path: '/tenants/{tenantId}/streams/encrypt',
    tag: 'Streams',
    summary: 'Encrypt a body of any size',
    description: `Encrypts the body in segments of 1 MiB, in constant memory. Each stream has a key of its own, which is encrypted under the customer's key. ${DUPLEX}`,
    role: 'Data.Encrypt',
    params: TenantParams,
    query: z.strictObject({
      key: Alias.optional().meta({
        description: "Alias of one of the tenant's data keys. Absent: the default key.",
      }),
    }),
    errors: [...STREAM_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  decryptStream: {
    auditedAs: 'decrypt-stream',
    method: 'post',
    path: '/tenants/{tenantId}/streams/decrypt',
    tag: 'Streams',
    summary: 'Decrypt a stream',
    description: `Decrypts a stream of this tenant. The encryption context must be the same as at encryption. Only verified bytes are returned. ${DUPLEX}`,
    role: 'Data.Decrypt',
    params: TenantParams,
    errors: [...STREAM_ERRORS, ...CIPHERTEXT_ERRORS, ...ACCESS_ERRORS],
  },
} as const satisfies Record<string, StreamOperation>;

export type StreamOperationId = keyof typeof streamOperations;

/** Operations on a stream's header alone, with JSON bodies. */
export const streamHeaderOperations = {
  rewrapStreamHeader: {
    auditedAs: 'rewrap-stream',
    method: 'post',
    path: '/tenants/{tenantId}/streams/rewrap-header',
    tag: 'Streams',
    summary: "Move a stream's header to the newest key version, another key or another tenant",
    description:
      'Takes the JWE at the start of a stream and returns a new one for the same body, which never changes. The JWE stands after `VSPN1`, a line feed and its length in 4 bytes, big-endian. The new JWE may have another length: write the new length before it. Also needs `Data.Encrypt` at the target.',
    role: 'Data.Decrypt',
    params: TenantParams,
    body: RewrapRequest,
    bodyExample: { ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…', to: { key: 'archive' } },
    response: EncryptResult,
    responseExample: {
      ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…',
      keyId: 'https://contoso-kv.vault.azure.net/keys/archive/0f1e2d3c4b5a69788796a5b4c3d2e1f0',
    },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, ...CIPHERTEXT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
} as const satisfies Record<string, Operation>;
