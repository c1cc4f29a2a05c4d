import * as z from 'zod';
import { Alias, named, TenantParams } from './fields.ts';
import { ACCESS_ERRORS, BODY_ERRORS, type Operation, TENANT_ERRORS } from './operation.ts';
import { PageQuery } from './tenants/tenant-fields.ts';

const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';

const BranchKey = named(
  'BranchKey',
  z.object({
    tenantId: z.string(),
    kind: z.string().meta({ description: '`branch` for compact messages, `index` for look-ups.' }),
    id: z
      .string()
      .meta({ description: "The first 11 characters of a compact message's `kid`, but for its last bits." }),
    label: z.string().meta({
      description: 'Of a branch key, the start of its epoch. Of an index key, index, version, bits and normalization.',
    }),
    vaultKey: z.string().meta({ description: 'The Key Vault key that wraps it, in lower case.' }),
    kid: z.string().meta({ description: 'The key version that wraps it.' }),
    jwe: z.string().optional().meta({ description: 'The wrapped key: a JWE that the vault can open.' }),
    destroyed: z.boolean().optional().meta({ description: '`true` if the key was destroyed: it has no `jwe`.' }),
  }),
);

const BranchKeyList = named(
  'BranchKeyList',
  z.object({
    keys: z.array(BranchKey),
    nextCursor: z.string().optional().meta({ description: 'Absent on the last page.' }),
  }),
);

const RewrapBranchKeysRequest = named(
  'RewrapBranchKeysRequest',
  z.strictObject({
    to: z
      .strictObject({ key: Alias.meta({ description: 'Alias of a key with `use: data`.' }) })
      .optional()
      .meta({ description: 'Absent: for each key the newest version of the key that wraps it.' }),
  }),
);

const RewrapBranchKeysResult = named(
  'RewrapBranchKeysResult',
  z.object({
    moved: z.int().meta({ description: 'Keys that this call moved.' }),
    current: z.int().meta({ description: 'Keys that the target version already wrapped.' }),
    staying: z.int().meta({ description: 'Keys that were not moved; `stayingKeys` has the reasons.' }),
    stayingKeys: z
      .array(
        z.object({
          branchId: z.string(),
          keyId: z.string(),
          code: z.string().meta({ description: 'A code of Problem.' }),
          reason: z.string().optional().meta({
            description:
              '`key-retired`, `not-ours` (planted: it never encrypts), `policy-differs`, or the reason of the code.',
          }),
        }),
      )
      .meta({ description: 'The first 100 of them.' }),
    isComplete: z.boolean().meta({ description: '`false` if the time ran out: call again to continue.' }),
  }),
);

/** Operations on the keys of compact messages and of look-ups. */
export const branchKeyOperations = {
  listBranchKeys: {
    auditedAs: 'branch-keys-read',
    method: 'get',
    path: '/tenants/{tenantId}/branch-keys',
    tag: 'Tenants',
    summary: "Export a tenant's branch keys",
    description:
      "Returns pages of the tenant's branch and index keys, each wrapped by the customer's key, also of suspended and removed tenants. With `Accept: application/x-ndjson` each key is a line, and `Next-Cursor` has the cursor. A customer that leaves needs all of them: without them and its vault, compact ciphertexts are lost.",
    role: 'Tenants.Read',
    params: TenantParams,
    query: PageQuery,
    response: BranchKeyList,
    lines: 'keys',
    responseExample: {
      keys: [
        {
          tenantId: 'contoso',
          kind: 'branch',
          id: 'ICEiIyQlJic',
          label: '2026-11-26T00:00:00Z',
          vaultKey: 'https://contoso-kv.vault.azure.net/keys/data',
          kid: KEY_ID,
          jwe: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…',
        },
      ],
    },
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  rewrapBranchKeys: {
    auditedAs: 'branch-keys-rewrap',
    method: 'post',
    path: '/tenants/{tenantId}/branch-keys/rewrap',
    tag: 'Tenants',
    summary: "Move a tenant's branch keys to the newest key version, or to another key",
    description:
      'Wraps each branch and index key by the newest version of its key, or by the key in `to`, which may be in another vault. No stored ciphertext changes, and each one can still be decrypted. The service does the same automatically after a rotation; this call does it now. A call lasts up to 15 seconds; while `isComplete` is false, call again. `branchKeys` of the tenant shows which versions are still needed.',
    role: 'Tenants.Manage',
    params: TenantParams,
    body: RewrapBranchKeysRequest,
    bodyExample: { to: { key: 'archive' } },
    response: RewrapBranchKeysResult,
    responseExample: { moved: 366, current: 2, staying: 0, stayingKeys: [], isComplete: true },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
} as const satisfies Record<string, Operation>;
