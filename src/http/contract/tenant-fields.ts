import * as z from 'zod';
import { named } from './fields.ts';

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

const VaultUrl = z.string().meta({
  description: 'https, in the cloud’s Key Vault or Managed HSM domain.',
  example: 'https://contoso-kv.vault.azure.net',
});
const KeyName = z.string().meta({ example: 'vaultspan' });
const TenantKey = named(
  'TenantKey',
  z.object({
    vaultUrl: VaultUrl,
    name: KeyName,
    keyVersion: z
      .string()
      .optional()
      .meta({ description: 'Pins a version (32 hex digits); without it the newest is followed.' }),
    use: z.string().meta({ description: '`data` for encrypt and decrypt, `wrap` for wrap and unwrap; never both.' }),
    algorithm: z.string().optional().meta({
      description: 'Only where it is not the default of the key’s type: RSA-OAEP-256, or A256KW for oct-HSM keys.',
    }),
  }),
);
const RetiredKey = named('RetiredKey', z.object({ vaultUrl: VaultUrl, name: KeyName }));
const TenantDataKeys = named(
  'TenantDataKeys',
  z.object({
    mode: z.string().optional().meta({ description: '`cached` or `perMessage`.' }),
    maxAgeSeconds: z.int32().optional(),
    maxMessages: z.int().optional(),
    maxBytes: z.int().optional(),
  }),
);
const TenantGraph = named(
  'TenantGraph',
  z.object({ organization: z.boolean().optional(), users: z.boolean().optional(), groups: z.boolean().optional() }),
);

/** What a record may have, beside its id and what the service adds. */
const members = {
  displayName: z.string().optional(),
  entraTenantId: z
    .string()
    .meta({ description: "The customer's directory, a GUID.", example: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3' }),
  state: z.string().optional().meta({ description: '`active` (default) or `suspended`.' }),
  keys: z.record(z.string(), TenantKey).meta({ description: 'By alias.' }),
  defaultKey: z.string().meta({ description: 'Alias of a key of `use: data`.', example: 'data' }),
  retiredKeys: z.array(RetiredKey).optional().meta({ description: 'Open what they sealed, seal nothing.' }),
  dataKeys: TenantDataKeys.optional(),
  revocationBoundSeconds: z
    .int32()
    .optional()
    .meta({ description: 'Longest use of a data key without a proof of access, 0 to 3600.' }),
  origin: z.string().optional().meta({
    description:
      '`required` (default), or `optional` to open JWEs that the customer made. With `optional` a message proves nothing about its author: whoever has the public key can make one.',
  }),
  requiredContext: z.array(z.string()).optional().meta({
    description:
      'Names that every new encryption context must have, and that of a message moved here from another tenant.',
  }),
  checkIntervalSeconds: z.int32().optional(),
  canarySecret: z.string().optional(),
  graph: TenantGraph.optional(),
  metadata: z.record(z.string(), z.string()).optional(),
};

/** For print: what is taken is checked by the registry's own schema, which knows the vault addresses of the deployment. */
export const TenantRecord = named('TenantRecord', z.object(members));

/** Any members of a record; `null` removes one. */
export const TenantPatch = named(
  'TenantPatch',
  z.record(z.string(), z.any()).meta({ description: 'Members of a TenantRecord; `null` removes one.' }),
);

const LastCheck = named(
  'LastCheck',
  z
    .object({
      state: z.string().meta({ description: '`passed`, or the reason or code of the step that failed.' }),
      checkedAt: z.string().meta({ format: 'date-time' }),
      step: z.string().optional(),
      code: z.string().optional(),
      detail: z.string().optional(),
      warnings: z.array(z.string()).optional(),
    })
    .meta({ description: 'What the last visit of the rounds found.' }),
);

const KeyUseAnswer = named(
  'KeyUse',
  z.object({
    keyId: z.string(),
    sealed: z.int(),
    opened: z.int(),
    lastUsedAt: z.string().meta({ format: 'date-time' }),
  }),
);

export const TenantAnswer = named(
  'Tenant',
  z.object({
    id: z.string(),
    ...members,
    revision: z.string().meta({ description: 'Also the `ETag`.' }),
    createdAt: z.string().meta({ format: 'date-time' }),
    updatedAt: z.string().meta({ format: 'date-time' }),
    lastCheck: LastCheck.optional(),
    keyUsage: z.array(KeyUseAnswer).optional().meta({
      description:
        'Key versions that sealed or opened data, the one used last first; of one tenant, not in lists. What is not here was not needed as far as seen.',
    }),
  }),
);

export const TenantList = named(
  'TenantList',
  z.object({
    tenants: z.array(TenantAnswer),
    nextCursor: z.string().optional().meta({ description: 'Absent at the end.' }),
  }),
);

export const PageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^[0-9]{1,3}$/, `is a number from 1 to ${MAX_PAGE}`)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_PAGE, `is a number from 1 to ${MAX_PAGE}`)
    .default(DEFAULT_PAGE)
    .meta({
      type: 'integer',
      minimum: 1,
      maximum: MAX_PAGE,
      description: `At most so many; ${DEFAULT_PAGE} without it.`,
    }),
  cursor: z.string().max(200).optional().meta({ description: '`nextCursor` of the page before.' }),
});
