import * as z from 'zod';
import type { Role } from '../../callers/principal.ts';
import type { ErrorCode } from '../../errors.ts';
import { Alias, EncryptResult, RewrapRequest, TenantParams } from './fields.ts';
import { ACCESS_ERRORS, BODY_ERRORS, CIPHERTEXT_ERRORS, type Operation, TENANT_ERRORS } from './operation.ts';

/** An operation whose body and answer are both `application/octet-stream`; it takes an `Encryption-Context` and gives a `Key-Id`. */
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
  "The client must read the answer while it sends: at 1 MiB the answer begins, and whoever reads nothing before all is sent waits for ever, until it is cut after 30 s without progress. curl, Go and `fetch` of Node (`duplex: half`) do so; Python's http.client, requests, httpx and aiohttp and Java's HttpClient do not: use `data-keys` or `vaultspan encrypt-file` and `decrypt-file` there. A failure after the first byte cuts the connection, so an answer counts only when it is complete: all of `Content-Length`, which the answer has when the request had one, or the last chunk.";

export const streamOperations = {
  encryptStream: {
    auditedAs: 'encrypt-stream',
    method: 'post',
    path: '/tenants/{tenantId}/streams/encrypt',
    tag: 'Streams',
    summary: 'Encrypt a body of any size',
    description: `Seals the body in segments of 1 MiB as it comes, in constant memory, under a key of its own that is sealed under the customer's. ${DUPLEX}`,
    role: 'Data.Encrypt',
    params: TenantParams,
    query: z.strictObject({
      key: Alias.optional().meta({
        description: "Alias of one of the tenant's data keys; its default key without it.",
      }),
    }),
    errors: [...STREAM_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  decryptStream: {
    auditedAs: 'decrypt-stream',
    method: 'post',
    path: '/tenants/{tenantId}/streams/decrypt',
    tag: 'Streams',
    summary: 'Decrypt what encryptStream gave',
    description: `Opens a stream of this tenant, given the same encryption context, and gives out only what is verified. ${DUPLEX}`,
    role: 'Data.Decrypt',
    params: TenantParams,
    errors: [...STREAM_ERRORS, ...CIPHERTEXT_ERRORS, ...ACCESS_ERRORS],
  },
} as const satisfies Record<string, StreamOperation>;

export type StreamOperationId = keyof typeof streamOperations;

/** What is done with a stream's header alone, in JSON as everything else. */
export const streamHeaderOperations = {
  rewrapStreamHeader: {
    auditedAs: 'rewrap-stream',
    method: 'post',
    path: '/tenants/{tenantId}/streams/rewrap-header',
    tag: 'Streams',
    summary: "Move a stream's header to the newest key version, another key or another tenant",
    description:
      'Takes the JWE that a stream begins with (after `VSPN1`, a line feed and its length in 4 bytes, big-endian) and gives another for the same body, which never changes. The new one may have another length: write it with its own in front. Needs `Data.Encrypt` at the target too.',
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
