import { encodeOpenedItems, encodeSealedItems } from '../answers/encode-answer.ts';
import {
  BatchRequest,
  DecryptBatchRequest,
  DecryptBatchResult,
  EncryptBatchRequest,
  EncryptBatchResult,
  RewrapBatchRequest,
} from './batch-fields.ts';
import { TenantParams } from './fields.ts';
import { BODY_ERRORS, type Operation, TENANT_ERRORS } from './operation.ts';

const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const CIPHERTEXT = 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…';
const BY_ITEM =
  'Takes up to 1,000 items and returns one result per item, in the same order: its result, or its `error` with the code that the single call would return. One bad item does not fail the others.';

/** Operations on many messages, with one audit record per call. */
export const batchOperations = {
  encryptBatch: {
    auditedAs: 'batch-encrypt',
    method: 'post',
    path: '/tenants/{tenantId}/batch/encrypt',
    tag: 'Data',
    summary: 'Encrypt a batch',
    description: `${BY_ITEM} All plaintexts together may be as large as one plaintext of the single call.`,
    role: 'Data.Encrypt',
    params: TenantParams,
    body: BatchRequest,
    carries: 'batch',
    bodyInPrint: EncryptBatchRequest,
    bodyExample: { items: [{ plaintext: 'aGVsbG8=' }, { plaintext: 'd29ybGQ=', encryptionContext: { row: '4711' } }] },
    response: EncryptBatchResult,
    encode: encodeSealedItems,
    responseExample: { items: [{ ciphertext: CIPHERTEXT, keyId: KEY_ID }] },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS],
  },
  decryptBatch: {
    auditedAs: 'batch-decrypt',
    method: 'post',
    path: '/tenants/{tenantId}/batch/decrypt',
    tag: 'Data',
    summary: 'Decrypt a batch',
    description: `${BY_ITEM} Items that share a data key cost one vault call together. What encryptBatch returned can be sent as one batch.`,
    role: 'Data.Decrypt',
    params: TenantParams,
    body: BatchRequest,
    carries: 'batch',
    bodyInPrint: DecryptBatchRequest,
    bodyExample: { items: [{ ciphertext: CIPHERTEXT }] },
    response: DecryptBatchResult,
    encode: encodeOpenedItems,
    responseExample: { items: [{ plaintext: 'aGVsbG8=', keyId: KEY_ID }] },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS],
  },
  rewrapBatch: {
    auditedAs: 'batch-rewrap',
    method: 'post',
    path: '/tenants/{tenantId}/batch/rewrap',
    tag: 'Data',
    summary: 'Rewrap a batch',
    description: `${BY_ITEM} Also needs \`Data.Encrypt\` at each target.`,
    role: 'Data.Decrypt',
    params: TenantParams,
    body: BatchRequest,
    carries: 'batch',
    bodyInPrint: RewrapBatchRequest,
    bodyExample: { items: [{ ciphertext: CIPHERTEXT }, { ciphertext: CIPHERTEXT, to: { key: 'archive' } }] },
    response: EncryptBatchResult,
    encode: encodeSealedItems,
    responseExample: { items: [{ ciphertext: CIPHERTEXT, keyId: KEY_ID }] },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS],
  },
} as const satisfies Record<string, Operation>;
