import * as z from 'zod';
import { TENANT_FILTERS, TENANT_SORTS } from '../../../tenants/registry.ts';
import { named } from '../fields.ts';

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;
/** A cursor has the key of the last item: a folded display name may have more than its letters. */
const MAX_CURSOR = 4_096;
const MAX_SEARCH = 200;

const VaultUrl = z.string().meta({
  description: 'An https URL in the Key Vault or Managed HSM domain of the cloud.',
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
      .meta({ description: 'Pins a version (32 hex digits). Absent: the newest version.' }),
    use: z.string().meta({ description: '`data` for encrypt and decrypt, `wrap` for wrap and unwrap; never both.' }),
    algorithm: z.string().optional().meta({
      description: 'Only if it is not the default of the key type: RSA-OAEP-256, or A256KW for oct-HSM keys.',
    }),
    form: z.string().optional().meta({
      description:
        'The form of messages, only with `use: data`: `self-contained` (default), or `compact`, whose messages are short, and cannot be decrypted without the branch keys in the database. `compact` needs `branchKeys.copies` in the configuration.',
    }),
    fallback: z.string().optional().meta({
      description:
        'The form of a message while no branch key may encrypt, only with `form: compact`: `self-contained` (default), or `refuse`: 503 `registry-unavailable` with reason `branch-not-ready`.',
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
const TenantIndex = named(
  'TenantIndex',
  z.object({
    bits: z.int32().optional().meta({ description: 'Length of its tokens: 32 to 256, a multiple of 8. Absent: 128.' }),
    normalize: z.string().optional().meta({ description: '`none` (default) or `nfc`, for text in UTF-8.' }),
  }),
);
const TenantGraph = named(
  'TenantGraph',
  z.object({ organization: z.boolean().optional(), users: z.boolean().optional(), groups: z.boolean().optional() }),
);

/** Members of a record, without its id and the members that the service adds. */
const members = {
  displayName: z.string().optional(),
  entraTenantId: z
    .string()
    .meta({ description: "The GUID of the customer's directory.", example: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3' }),
  state: z.string().optional().meta({ description: '`active` (default) or `suspended`.' }),
  keys: z.record(z.string(), TenantKey).meta({ description: 'The keys by alias.' }),
  defaultKey: z.string().meta({ description: 'Alias of a key with `use: data`.', example: 'data' }),
  keyRules: z
    .array(named('KeyRule', z.object({ when: z.record(z.string(), z.string()), key: z.string() })))
    .optional()
    .meta({
      description:
        'Chooses the key for calls that name none: `key` of the first rule whose `when` pairs are all in the encryption context, otherwise `defaultKey`.',
      example: [{ when: { purpose: 'payroll' }, key: 'payroll' }],
    }),
  retiredKeys: z.array(RetiredKey).optional().meta({ description: 'Keys that only decrypt.' }),
  indexes: z.record(z.string(), TenantIndex).optional().meta({
    description:
      'Indexes by name, for look-ups. `bits` and `normalize` take effect with the next version: rotateIndex.',
  }),
  dataKeys: TenantDataKeys.optional(),
  revocationBoundSeconds: z
    .int32()
    .optional()
    .meta({ description: 'How long a data key may be used without a proof of access: 0 to 3600.' }),
  origin: z.string().optional().meta({
    description:
      '`required` (default), or `optional` to open JWEs that the customer made. With `optional` a message proves nothing about its author: whoever has the public key can make one.',
  }),
  requiredContext: z.array(z.string()).optional().meta({
    description:
      'Names that every new encryption context must have, and that of a message moved here from another tenant.',
  }),
  requiredAccess: z.array(z.string()).optional().meta({
    description:
      'Claims that every call on data must make: any of `subject`, `reason` and `label`, each by its header `Access-Subject`, `Access-Reason` or `Access-Label`. Calls without them are refused (400).',
  }),
  checkIntervalSeconds: z.int32().optional(),
  canarySecret: z.string().optional(),
  graph: TenantGraph.optional(),
  leases: named('TenantLeases', z.object({ maxSeconds: z.int32() }))
    .optional()
    .meta({
      description:
        'Lets callers with the role `Keys.Lease` lease keys, to encrypt and decrypt locally, for at most `maxSeconds` each: 10 to 3600. Absent: no leases. Needs a key with `form: compact` and a revocation bound.',
    }),
  quota: named(
    'TenantQuota',
    z.object({ operations: z.int().optional(), bytes: z.int().optional(), periodSeconds: z.int32() }),
  )
    .optional()
    .meta({
      description:
        'What the tenant may use in each period of 60 to 2678400 seconds, which begin in UTC: `operations`, `bytes` or both, as readUsage counts them. Beyond it calls on data are 429 `quota-exceeded`. Absent: `quota` of the configuration.',
    }),
  siem: named(
    'TenantSiem',
    z.object({
      logsIngestion: named(
        'LogsIngestion',
        z.object({
          endpoint: z.string().meta({
            description: "URL of a data collection endpoint in the cloud's domain.",
            example: 'https://vaultspan-a1b2.westeurope-1.ingest.monitor.azure.com',
          }),
          ruleId: z.string().meta({
            description: "The rule's immutable id.",
            example: 'dcr-0123456789abcdef0123456789abcdef',
          }),
          stream: z.string().meta({ example: 'Custom-Vaultspan' }),
        }),
      ),
    }),
  )
    .optional()
    .meta({
      description:
        "The customer's data collection rule, which gets the tenant's audit records. Needs `siem.enabled` in the configuration.",
    }),
  metadata: z.record(z.string(), z.string()).optional(),
};

/**
 * For the printed contract only. The registry's own schema checks records, because it knows the
 * vault domains of the deployment.
 */
export const TenantRecord = named('TenantRecord', z.object(members));

/** Any members of a record. */
export const TenantPatch = named(
  'TenantPatch',
  z.record(z.string(), z.any()).meta({ description: 'Members of a TenantRecord. `null` removes a member.' }),
);

export const LastCheck = named(
  'LastCheck',
  z
    .object({
      state: z.string().meta({ description: '`passed`, or the reason or the code of the failed step.' }),
      checkedAt: z.string().meta({ format: 'date-time' }),
      step: z.string().optional(),
      code: z.string().optional(),
      detail: z.string().optional(),
      warnings: z.array(z.string()).optional(),
    })
    .meta({ description: 'The result of the last periodic check.' }),
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

const BranchKeyNeed = named(
  'BranchKeyNeed',
  z.object({
    keyId: z.string(),
    keys: z.int().meta({ description: 'Branch and index keys in the database that this version wraps.' }),
    copies: z.int().meta({ description: 'Keys whose newest copy outside the database this version wraps.' }),
  }),
);

export const TenantAnswer = named(
  'Tenant',
  z.object({
    id: z.string(),
    ...members,
    revision: z.string().meta({ description: 'The same as the `ETag`.' }),
    createdAt: z.string().meta({ format: 'date-time' }),
    updatedAt: z.string().meta({ format: 'date-time' }),
    lastCheck: LastCheck.optional(),
    siemDelivery: named(
      'SiemDelivery',
      z.object({
        deliveredUntil: z
          .string()
          .optional()
          .meta({ format: 'date-time', description: 'Time of the last delivered record. Absent before the first.' }),
        deliveredAt: z.string().optional().meta({ format: 'date-time', description: 'Time of the last delivery.' }),
        waiting: z.int().meta({ description: 'Records that are not delivered yet.' }),
        trouble: z.string().optional().meta({ description: 'The reason that the last delivery failed.' }),
        troubleSince: z.string().optional().meta({ format: 'date-time' }),
        fix: z.string().optional(),
      }),
    )
      .optional()
      .meta({
        description:
          "How far the tenant's records are in the customer's SIEM. Only when one tenant is read, and absent without `siem`.",
      }),
    quotaUse: named(
      'QuotaUse',
      z.object({
        isDefault: z.boolean().meta({ description: 'Whether the quota is that of the configuration.' }),
        periodSeconds: z.int32(),
        endsAt: z.string().meta({ format: 'date-time', description: 'End of the current period.' }),
        limits: z.array(
          named(
            'QuotaLimit',
            z.object({
              name: z.string().meta({ description: '`operations` or `bytes`.' }),
              limit: z.int(),
              left: z.int().meta({ description: 'Left in this period, for all processes together.' }),
            }),
          ),
        ),
      }),
    )
      .optional()
      .meta({
        description:
          "The tenant's quota and what is left of it. Only when one tenant is read, and absent without a quota.",
      }),
    keyPolicies: z
      .record(
        z.string(),
        named(
          'KeyPolicy',
          z.object({
            state: z
              .string()
              .meta({ description: '`in-force`, `unreadable`, or `unknown`: the key could not be read.' }),
            policy: z.string().optional().meta({ description: 'The hash of the policy, as in audit records.' }),
            tags: z.record(z.string(), z.string()).optional().meta({ description: "The customer's tags." }),
            detail: z.string().optional(),
          }),
        ),
      )
      .optional()
      .meta({
        description:
          'The policies that the customer put on its keys, by alias. Only when one tenant is read, not in lists. A key without a policy is absent.',
      }),
    keyUsage: z.array(KeyUseAnswer).optional().meta({
      description:
        'Key versions that encrypted or decrypted data, the last one used first. Only when one tenant is read, not in lists. A version that is not listed has not been used, as far as the service has seen.',
    }),
    branchKeys: z.array(BranchKeyNeed).optional().meta({
      description:
        'Key versions that wrap branch or index keys. Only when one tenant is read, and absent without such keys. Compact messages do not need a version that is not listed.',
    }),
  }),
);

export const TenantList = named(
  'TenantList',
  z.object({
    tenants: z.array(TenantAnswer),
    nextCursor: z.string().optional().meta({ description: 'Absent on the last page.' }),
  }),
);

export const PageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^[0-9]{1,3}$/, `must be a number from 1 to ${MAX_PAGE}`)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_PAGE, `must be a number from 1 to ${MAX_PAGE}`)
    .default(DEFAULT_PAGE)
    .meta({
      type: 'integer',
      minimum: 1,
      maximum: MAX_PAGE,
      description: `Size of the page. Absent: ${DEFAULT_PAGE}.`,
    }),
  cursor: z.string().max(MAX_CURSOR).optional().meta({ description: 'The `nextCursor` of the previous page.' }),
});

export const TenantListQuery = PageQuery.extend({
  search: z
    .string()
    .max(MAX_SEARCH)
    .regex(/^[^\0]*$/, 'must not have the character U+0000')
    .optional()
    .meta({ description: 'The beginning of an id or of a display name, in any case; or the GUID of a directory.' }),
  state: z
    .enum(TENANT_FILTERS)
    .optional()
    .meta({ description: '`failing` and `unchecked` are active tenants, by their last check. Absent: all.' }),
  sort: z.enum(TENANT_SORTS).default('id').meta({
    description:
      '`id` (default) or `name`, ascending; `updated`: the last changed first; `checked`: the oldest check first.',
  }),
});
