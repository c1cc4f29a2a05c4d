import {
  DeterministicDecryptRequest,
  DeterministicDecryptResult,
  DeterministicEncryptRequest,
  DeterministicEncryptResult,
  IndexAnswer,
  IndexParams,
  IndexTokensRequest,
  IndexTokensResult,
  PrintedDeterministicDecrypt,
  PrintedDeterministicEncrypt,
  PrintedIndexTokens,
  RetireVersionRequest,
} from './index-fields.ts';
import { ACCESS_ERRORS, BODY_ERRORS, type Operation, TENANT_ERRORS } from './operation.ts';

const INDEX_ERRORS = [...TENANT_ERRORS, 'index-not-found'] as const;
const KEY_ERRORS = ['unknown-key', ...ACCESS_ERRORS] as const;
const CONTEXT = { table: 'customers' };
const TOKEN = 'kVQ0hKf3Jd1Yc2nR8sWq_A';
const OLDER_TOKEN = 'Zb1xM9o0uTqT5cWv3yLkGw';
const SEALED = 'AQAAAAEgmzVvVnCNMbPPmSYHRqKvW9KcYbUSZT7CzYl4JqFE';
const INDEX = {
  name: 'email',
  versions: [
    {
      version: 1,
      bits: 128,
      normalize: 'nfc',
      state: 'written',
      createdAt: '2026-11-26T08:00:00.000Z',
      keyId: 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0',
    },
    {
      version: 2,
      bits: 128,
      normalize: 'nfc',
      state: 'pending',
      createdAt: '2026-11-26T09:00:00.000Z',
      keyId: 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0',
    },
  ],
};

/** Look-ups in encrypted columns: tokens, deterministic values, and the versions of their keys. */
export const indexOperations = {
  createTokens: {
    auditedAs: 'index-tokens',
    method: 'post',
    path: '/tenants/{tenantId}/indexes/{name}/tokens',
    tag: 'Look-ups',
    summary: 'Get look-up tokens of values',
    description:
      'Equal values of an index have equal tokens, which do not reveal the value. Store the token of `write` beside the ciphertext, and search for the tokens of `search`. A caller of this operation can test guesses: for a column of few or guessable values the role equals reading it.',
    role: 'Data.Index',
    params: IndexParams,
    body: IndexTokensRequest,
    bodyInPrint: PrintedIndexTokens,
    carries: 'batch',
    bodyExample: { values: ['YW5uQGV4YW1wbGUub3Jn'] },
    response: IndexTokensResult,
    responseExample: {
      write: { version: 2, tokens: [TOKEN] },
      search: [
        { version: 1, tokens: [OLDER_TOKEN] },
        { version: 2, tokens: [TOKEN] },
      ],
    },
    errors: [...BODY_ERRORS, ...INDEX_ERRORS, ...KEY_ERRORS],
  },
  encryptDeterministic: {
    auditedAs: 'deterministic-encrypt',
    method: 'post',
    path: '/tenants/{tenantId}/indexes/{name}/deterministic/encrypt',
    tag: 'Look-ups',
    summary: 'Encrypt values so that equal values are equal',
    description:
      "AES-SIV in Tink's format. Equal values under equal contexts have equal ciphertexts, so a column can be searched and decrypted. Prefer tokens beside ordinary ciphertexts if you can add a column. Off in FIPS mode (404 `route-not-found`).",
    role: 'Data.Encrypt',
    params: IndexParams,
    body: DeterministicEncryptRequest,
    bodyInPrint: PrintedDeterministicEncrypt,
    carries: 'batch',
    bodyExample: { values: ['YW5uQGV4YW1wbGUub3Jn'], encryptionContext: CONTEXT },
    response: DeterministicEncryptResult,
    responseExample: {
      write: { version: 1, values: [SEALED] },
      search: [{ version: 1, values: [SEALED] }],
    },
    errors: [...BODY_ERRORS, ...INDEX_ERRORS, 'route-not-found', ...KEY_ERRORS],
  },
  decryptDeterministic: {
    auditedAs: 'deterministic-decrypt',
    method: 'post',
    path: '/tenants/{tenantId}/indexes/{name}/deterministic/decrypt',
    tag: 'Look-ups',
    summary: 'Decrypt deterministic values',
    description:
      'Decrypts values of any version that is not retired. If one value fails, the call fails, and the error points at that value. Off in FIPS mode (404 `route-not-found`).',
    role: 'Data.Decrypt',
    params: IndexParams,
    body: DeterministicDecryptRequest,
    bodyInPrint: PrintedDeterministicDecrypt,
    carries: 'batch',
    bodyExample: { values: [SEALED], encryptionContext: CONTEXT },
    response: DeterministicDecryptResult,
    responseExample: { values: ['YW5uQGV4YW1wbGUub3Jn'] },
    errors: [
      ...BODY_ERRORS,
      ...INDEX_ERRORS,
      'route-not-found',
      'malformed-ciphertext',
      'undecryptable',
      ...KEY_ERRORS,
    ],
  },
  getIndex: {
    auditedAs: 'index-read',
    method: 'get',
    path: '/tenants/{tenantId}/indexes/{name}',
    tag: 'Look-ups',
    summary: 'Read the versions of an index',
    description: 'Returns every version and its state. An index that was removed from the record keeps its versions.',
    role: 'Tenants.Read',
    params: IndexParams,
    response: IndexAnswer,
    responseExample: INDEX,
    errors: ['malformed-request', 'tenant-not-found', 'index-not-found', 'registry-unavailable'],
  },
  rotateIndex: {
    auditedAs: 'index-rotate',
    method: 'post',
    path: '/tenants/{tenantId}/indexes/{name}/rotate',
    tag: 'Look-ups',
    summary: 'Make the next version of an index',
    description:
      "Makes a key with the `bits` and `normalize` of the tenant's record. The version is searched at once, and written after `branchKeys.settleSeconds`, when every process knows it. Until then another call with the same settings has no effect.",
    role: 'Tenants.Manage',
    params: IndexParams,
    response: IndexAnswer,
    responseExample: INDEX,
    errors: ['malformed-request', ...INDEX_ERRORS, 'index-version', ...ACCESS_ERRORS],
  },
  retireIndexVersion: {
    auditedAs: 'index-retire',
    method: 'post',
    path: '/tenants/{tenantId}/indexes/{name}/retire',
    tag: 'Look-ups',
    summary: 'Destroy a version of an index',
    description:
      'Its tokens find nothing and its deterministic values can no longer be decrypted: rewrite them first. The version that is written, and one that was written within `branchKeys.settleSeconds`, is refused. This cannot be undone.',
    role: 'Tenants.Manage',
    params: IndexParams,
    body: RetireVersionRequest,
    bodyExample: { version: 1 },
    response: IndexAnswer,
    responseExample: { name: 'email', versions: [{ ...INDEX.versions[0], state: 'retired' }] },
    errors: [...BODY_ERRORS, ...INDEX_ERRORS, 'index-version'],
  },
} as const satisfies Record<string, Operation>;
