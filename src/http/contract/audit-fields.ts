import * as z from 'zod';
import type { AuditEvent } from '../../audit/event.ts';
import { named, TenantParams } from './fields.ts';
import { PageQuery } from './tenants/tenant-fields.ts';

const MAX_CALLER = 512;
const SHORTEST_TEXT = 3;
const LONGEST_TEXT = 200;

const Hash = z.string().meta({ description: 'SHA-256, base64url.' });

/**
 * The members of an event. A member that is added to the event and missing here does not compile.
 */
const event = {
  operation: z.string().meta({ example: 'decrypt' }),
  outcome: z.string().meta({ description: '`succeeded`, `refused` or `failed`.' }),
  code: z.string().optional().meta({ description: 'The `code` of the Problem. Absent on success.' }),
  reason: z.string().optional(),
  requestId: z.string().meta({ description: 'The `X-Request-Id` of the answer.' }),
  clientRequestId: z
    .string()
    .optional()
    .meta({ description: "The caller's own id of the request, from its `X-Request-Id`." }),
  principal: z.string().optional().meta({ description: "Issuer and subject of the caller's token." }),
  tenantId: z.string().optional(),
  keyId: z.string().optional().meta({ description: 'The Key Vault key version used.' }),
  bytes: z.int().optional().meta({ description: 'Size of the plaintext or value.' }),
  context: z.string().optional().meta({
    description:
      "HMAC of the encryption context under the tenant's key: equal contexts can be matched, none can be read.",
  }),
  vaultRequestId: z.string().optional().meta({
    description:
      "`x-ms-request-id` of the vault call that proved or refused access: `CorrelationId` in the customer's Key Vault log. Of a batch: of a refused item.",
  }),
  vaultClientRequestId: z.string().optional().meta({
    description:
      '`x-ms-client-request-id` of the same call, made by the service; present where the vault did not answer too.',
  }),
  policy: z.string().optional().meta({
    description:
      "The customer's policy on the key: the first 16 hex digits of the SHA-256 of its tags. Absent without one.",
  }),
  phase: z
    .string()
    .optional()
    .meta({ description: "For a stream: `started` or `finished`; for a lease's final report: `finished`." }),
  items: z.record(z.string(), z.int()).optional().meta({
    description:
      'For a batch: the number of items by outcome, which is a code or `succeeded`. For a lease: messages `sealed`, `opened` and `unreported`.',
  }),
  keys: z
    .array(
      named(
        'AuditKeyUse',
        z.object({
          keyId: z.string(),
          vaultRequestId: z.string(),
          vaultClientRequestId: z.string().optional(),
          policy: z.string().optional(),
          count: z.int(),
        }),
      ),
    )
    .optional()
    .meta({ description: 'Of a batch: each key version used, the vault call that proved access to it, the items.' }),
  index: z.string().optional().meta({ description: 'The index of a look-up, or the one that was changed.' }),
  storedKey: named(
    'AuditStoredKey',
    z.object({
      id: z.string().meta({ description: 'The branch id, base64url.' }),
      label: z.string().meta({
        description: 'Of a branch key, the start of its epoch. Of an index key, the index and the version.',
      }),
      jweDigest: Hash.meta({ description: 'SHA-256 of its JWE, base64url. The JWE itself is in no record.' }),
    }),
  )
    .optional()
    .meta({
      description: 'The branch or index key that was made, moved, restored or destroyed. `keyId` wraps it.',
    }),
  access: named(
    'AuditAccess',
    z.object({ subject: z.string().optional(), reason: z.string().optional(), label: z.string().optional() }),
  )
    .optional()
    .meta({
      description:
        "The caller's claims in `Access-Subject`, `Access-Reason` and `Access-Label`, decoded. With `audit.access: keyed` each is an HMAC that begins with `t.`.",
    }),
  lease: z
    .string()
    .optional()
    .meta({ description: 'Id of the lease that was given out, reported on or found overdue.' }),
  leaves: z.array(z.string()).optional().meta({
    description: 'The `kid` of each leaf whose key was given out; the messages of a leaf have the same `kid`.',
  }),
  link: z.string().optional().meta({ description: 'Id of the onboarding link that was issued or revoked.' }),
  count: z.int().optional().meta({ description: 'The number of requests that the record stands for. Absent for one.' }),
} satisfies Record<keyof AuditEvent, z.ZodType>;

const AuditRecord = named(
  'AuditRecord',
  z.object({
    chain: z.string().meta({ description: 'The id of the chain: one process has one chain.' }),
    sequence: z.int().meta({ description: 'The place in the chain.' }),
    at: z.string().meta({ format: 'date-time' }),
    salt: z.string(),
    previous: Hash.optional().meta({ description: 'The hash of the line before in the chain.' }),
    type: z.string().meta({ description: '`event`.' }),
    ...event,
    operation: event.operation.optional(),
    outcome: event.outcome.optional(),
    requestId: event.requestId.optional(),
    tenantSequence: z.int().optional().meta({ description: "The place among the tenant's records in this chain." }),
    mac: z
      .string()
      .optional()
      .meta({ description: 'HMAC of the line before this member, under a key of the audit log.' }),
  }),
);

export const AuditPage = named(
  'AuditPage',
  z.object({
    records: z
      .array(AuditRecord)
      .meta({ description: 'Newest first. A page may be empty although there is a next one.' }),
    nextCursor: z.string().optional().meta({ description: 'Absent on the last page.' }),
    searchedTo: z.string().optional().meta({
      format: 'date-time',
      description: 'How far back this page looked. Absent on the last page, and without a filter.',
    }),
  }),
);

const USAGE_COLUMNS = {
  tenantId: z.string(),
  start: z
    .string()
    .optional()
    .meta({ format: 'date-time', description: 'Start of the day or hour. Absent with `by=tenant`.' }),
  operations: z.int().meta({
    description:
      'Values encrypted, decrypted, rewrapped, wrapped, unwrapped or looked up: each item of a batch, each field of a document.',
  }),
  failures: z.int().meta({ description: 'Operations that were refused or failed; of a whole request, 1.' }),
  bytes: z.int().meta({ description: 'Bytes of plaintexts, keys and values in successful operations.' }),
  vaultCalls: z.int().meta({
    description: "Calls that the customer's vaults answered, those of checks included.",
  }),
  leases: z.int().meta({ description: 'Leases that were given out.' }),
  leasedMessages: z.int().meta({
    description: 'Messages that holders of leases encrypted and decrypted locally, by their final reports.',
  }),
};

/** The columns as CSV. */
export const USAGE_CSV = Object.keys(USAGE_COLUMNS);

export const UsagePage = named(
  'UsagePage',
  z.object({
    from: z.string().meta({ format: 'date-time' }),
    to: z.string().meta({ format: 'date-time', description: 'Exclusive.' }),
    usage: z.array(named('Usage', z.object(USAGE_COLUMNS))).meta({
      description: 'Tenants by id, or days or hours by time. Those without any usage are absent.',
    }),
    nextCursor: z.string().optional().meta({ description: 'Absent on the last page.' }),
  }),
);

const Time = z.iso
  .datetime({ offset: true, error: 'must be an RFC 3339 time, such as 2026-11-23T08:00:00Z' })
  .transform((text) => Date.parse(text))
  .optional();

export const AuditQuery = PageQuery.extend({
  from: Time.meta({ type: 'string', format: 'date-time', description: 'Only records from this time on.' }),
  to: Time.meta({ type: 'string', format: 'date-time', description: 'Only records before this time.' }),
  operation: z
    .string()
    .regex(/^[a-z][a-z-]{0,63}$/, 'must be the operation of a record, such as decrypt')
    .optional()
    .meta({ description: 'Only records of this operation.', example: 'decrypt' }),
  outcome: z
    .enum(['succeeded', 'refused', 'failed'])
    .optional()
    .meta({ description: 'Only records with this outcome.' }),
  caller: z
    .string()
    .min(1)
    .max(MAX_CALLER)
    .optional()
    .meta({ description: 'Only records of this caller: a whole `principal`, or its subject after the `#`.' }),
  text: z.string().min(SHORTEST_TEXT).max(LONGEST_TEXT).optional().meta({
    description:
      'Only records whose stored line has this text, such as a request id, a key or a code. ASCII letters match in any case.',
  }),
});

/** What tenants may be ranked by. */
const MEASURES = ['operations', 'failures', 'bytes', 'vaultCalls', 'leases', 'leasedMessages'] as const;

export const UsageQuery = PageQuery.extend({
  by: z.enum(['tenant', 'day', 'hour']).default('tenant').meta({
    type: 'string',
    description: 'A row for each tenant that used anything, or for each day or hour of one tenant. Absent: `tenant`.',
  }),
  sort: z
    .enum(['id', ...MEASURES])
    .default('id')
    .meta({
      type: 'string',
      description:
        'The order of tenants: by id, or the most of a measure first, which sums up every tenant for each page. Absent: `id`.',
    }),
  tenantId: TenantParams.shape.tenantId
    .optional()
    .meta({ description: 'Only this tenant. Required with `by=day` and `by=hour`.' }),
  from: Time.meta({
    type: 'string',
    format: 'date-time',
    description:
      'Only from this full hour on. Hours are kept for the last 8 days; before them it must be midnight UTC. Absent: the start of the month.',
  }),
  to: Time.meta({
    type: 'string',
    format: 'date-time',
    description: 'Only before this full hour, at most 366 days after `from`. Absent: the end of the current hour.',
  }),
});
