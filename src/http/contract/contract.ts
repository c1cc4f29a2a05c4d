import { encodeOpened, encodeSealed } from '../answers/encode-answer.ts';
import { auditOperations } from './audit-contract.ts';
import { batchOperations } from './batch-contract.ts';
import { branchKeyOperations } from './branch-key-contract.ts';
import { documentOperations } from './document-contract.ts';
import {
  DataKeyRequest,
  DataKeyResult,
  DecryptRequest,
  DecryptResult,
  EncryptRequest,
  EncryptResult,
  Health,
  Readiness,
  RewrapRequest,
  TenantParams,
  UnwrapRequest,
  UnwrapResult,
  WrapRequest,
  WrapResult,
} from './fields.ts';
import { indexOperations } from './index-contract.ts';
import { leaseOperations } from './lease-contract.ts';
import { logOperations } from './log-contract.ts';
import { ACCESS_ERRORS, BODY_ERRORS, CIPHERTEXT_ERRORS, type Operation, TENANT_ERRORS } from './operation.ts';
import { doorbellOperations, drillOperations } from './revocation-contract.ts';
import { streamHeaderOperations } from './stream-contract.ts';
import { linkOperations } from './tenants/link-contract.ts';
import { overviewOperations } from './tenants/overview-contract.ts';
import { tenantOperations } from './tenants/tenant-contract.ts';

const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const WRAP_KEY_ID = 'https://contoso-kv.vault.azure.net/keys/wrap/a1b2c3d4e5f60718293a4b5c6d7e8f90';

/** Every operation of the API with JSON. Its routes and openapi.yaml are generated from it. */
export const operations = {
  encryptData: {
    auditedAs: 'encrypt',
    method: 'post',
    path: '/tenants/{tenantId}/encrypt',
    tag: 'Data',
    summary: "Encrypt under the customer's own key",
    description:
      "Encrypts the plaintext with AES-256-GCM under a data key that the customer's Key Vault has wrapped. With a cached data key, no call leaves the service; the vault confirms access once per key version and revocation bound. The ciphertext names the key version, so it can be decrypted after any rotation.",
    role: 'Data.Encrypt',
    params: TenantParams,
    body: EncryptRequest,
    carries: 'message',
    bodyExample: { plaintext: 'aGVsbG8=', encryptionContext: { purpose: 'invoice', id: '4711' } },
    response: EncryptResult,
    encode: encodeSealed,
    responseExample: { ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…', keyId: KEY_ID },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  decryptData: {
    auditedAs: 'decrypt',
    method: 'post',
    path: '/tenants/{tenantId}/decrypt',
    tag: 'Data',
    summary: 'Decrypt a ciphertext',
    description:
      "Decrypts a ciphertext of this tenant. The encryption context must be the same as at encryption. Old key versions and retired keys still decrypt what was encrypted under them, while they exist in the customer's vault.",
    role: 'Data.Decrypt',
    params: TenantParams,
    body: DecryptRequest,
    carries: 'message',
    bodyExample: {
      ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…',
      encryptionContext: { purpose: 'invoice', id: '4711' },
    },
    response: DecryptResult,
    encode: encodeOpened,
    responseExample: { plaintext: 'aGVsbG8=', keyId: KEY_ID },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, ...CIPHERTEXT_ERRORS, ...ACCESS_ERRORS],
  },
  createDataKey: {
    auditedAs: 'data-key',
    method: 'post',
    path: '/tenants/{tenantId}/data-keys',
    tag: 'Data',
    summary: 'Get a key to encrypt with locally',
    description:
      'Returns a new 256-bit key, in plaintext and encrypted. Use it to encrypt large amounts, or data that this service must not see. Delete the plaintext key by `expiresAt`. decryptData decrypts the encrypted key again, while the customer allows access.',
    role: 'Data.Encrypt',
    params: TenantParams,
    body: DataKeyRequest,
    bodyExample: { encryptionContext: { file: 'scan.tiff' } },
    response: DataKeyResult,
    encode: encodeSealed,
    responseExample: {
      plaintext: 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
      ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…',
      keyId: KEY_ID,
      expiresAt: '2026-11-23T08:05:00.000Z',
    },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  rewrapData: {
    auditedAs: 'rewrap',
    method: 'post',
    path: '/tenants/{tenantId}/rewrap',
    tag: 'Data',
    summary: 'Move a ciphertext to the newest key version, another key or another tenant',
    description:
      'Opens and seals anew; the plaintext never leaves the service, and the context stays. Needs `Data.Encrypt` at the target too, and every name that another tenant requires in a context.',
    role: 'Data.Decrypt',
    params: TenantParams,
    body: RewrapRequest,
    carries: 'message',
    bodyExample: { ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…', to: { key: 'archive' } },
    response: EncryptResult,
    encode: encodeSealed,
    responseExample: { ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…', keyId: KEY_ID },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, ...CIPHERTEXT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  ...batchOperations,
  ...documentOperations,
  ...indexOperations,
  wrapKey: {
    auditedAs: 'wrap',
    method: 'post',
    path: '/tenants/{tenantId}/wrap',
    tag: 'Keys',
    summary: "Wrap the caller's own key",
    description:
      "Calls Key Vault's wrapKey for a key that the caller makes and uses. One call is one vault call; nothing is cached. Only for keys registered with `use: wrap`.",
    role: 'Keys.Wrap',
    params: TenantParams,
    body: WrapRequest,
    bodyExample: { value: 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=', key: 'wrap' },
    response: WrapResult,
    responseExample: { wrappedKey: 'mJ3f…', keyId: WRAP_KEY_ID, algorithm: 'RSA-OAEP-256' },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  unwrapKey: {
    auditedAs: 'unwrap',
    method: 'post',
    path: '/tenants/{tenantId}/unwrap',
    tag: 'Keys',
    summary: 'Unwrap a wrapped key',
    description: "Calls Key Vault's unwrapKey. The rules of wrapKey apply.",
    role: 'Keys.Unwrap',
    params: TenantParams,
    body: UnwrapRequest,
    bodyExample: { wrappedKey: 'mJ3f…', keyId: WRAP_KEY_ID, algorithm: 'RSA-OAEP-256' },
    response: UnwrapResult,
    responseExample: { value: 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=', keyId: WRAP_KEY_ID },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key', 'key-use', 'undecryptable', ...ACCESS_ERRORS],
  },
  ...leaseOperations,
  ...streamHeaderOperations,
  ...overviewOperations,
  ...tenantOperations,
  ...linkOperations,
  ...branchKeyOperations,
  ...auditOperations,
  ...doorbellOperations,
  ...drillOperations,
  ...logOperations,
  getHealth: {
    method: 'get',
    path: '/healthz',
    tag: 'Health',
    summary: 'Liveness',
    description: 'For liveness probes. Returns 200 while the process can answer.',
    response: Health,
    responseExample: { status: 'ok' },
    errors: [],
  },
  getReadiness: {
    method: 'get',
    path: '/readyz',
    tag: 'Health',
    summary: 'Readiness',
    description:
      'For readiness probes. Returns 503 only when this process can serve no request, for example while it drains. `degraded` lists the parts that fail while requests are still served.',
    response: Readiness,
    responseExample: { status: 'ready' },
    errors: ['draining', 'audit-unavailable'],
  },
} as const satisfies Record<string, Operation>;

export type Operations = typeof operations;
export type OperationId = keyof Operations;
