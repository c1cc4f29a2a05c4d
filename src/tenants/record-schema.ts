import * as z from 'zod';
import { INDEX_NAME } from '../format/index-key.ts';
import { TENANT_ID } from '../format/jwe-header.ts';
import { DATA_ALGORITHMS, isDataAlgorithm, WRAP_ALGORITHMS } from '../format/wrap-algorithms.ts';
import type { RegisteredKey, Tenant } from './record.ts';
import type { VaultHosts } from './vault-hosts.ts';

const KEY_ALIAS = /^[A-Za-z0-9_-]{1,64}$/;
const KEY_NAME = /^[0-9A-Za-z-]{1,127}$/;
const KEY_VERSION = /^[0-9a-f]{32}$/;

const MAX_KEYS = 32;
const MAX_KEY_RULES = 32;
const MAX_RETIRED_KEYS = 128;
const MAX_INDEXES = 32;
const DAY_SECONDS = 86_400;

const TenantId = z.string().regex(TENANT_ID, 'must be 1 to 64 characters of a-z, 0-9 and -');
const Algorithm = z.enum(WRAP_ALGORITHMS);

/**
 * Bounds on a data key's use. The upper limits follow from AES-GCM (NIST SP 800-38D §8.3) and
 * cannot be configured away.
 */
const DataKeyBoundsSchema = z.strictObject({
  mode: z.enum(['cached', 'perMessage']),
  maxAgeSeconds: z.int().min(1).max(DAY_SECONDS),
  maxMessages: z
    .int()
    .min(1)
    .max(2 ** 32),
  maxBytes: z
    .int()
    .min(32 * 1024 * 1024, 'must be at least 33554432 (32 MiB), more than one message')
    .max(2 ** 40),
});
const Index = z.strictObject({
  bits: z
    .int()
    .min(32)
    .max(256)
    .refine((bits) => bits % 8 === 0, 'must be a multiple of 8')
    .optional(),
  normalize: z.enum(['none', 'nfc']).optional(),
});
const MAX_BOUND_SECONDS = 3_600;
const RevocationBoundSeconds = z.int().min(0).max(MAX_BOUND_SECONDS);
/** A shorter lease would cost a holder more calls than it saves. */
const MIN_LEASE_SECONDS = 10;

const DISPLAY_NAME = /^[^\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u;

/**
 * Returns the schema of an object with members of any name. A record of zod alone drops `__proto__`
 * in silence.
 */
const membersOf = <T extends z.ZodType>(names: z.ZodString, members: T) =>
  z
    .custom((value) => !Object.hasOwn(Object(value), '__proto__'), 'must not have a member named __proto__')
    .pipe(z.record(names, members));

/** Structured fields of headers have integers of at most 15 digits (RFC 9651 §3.3.1). */
const Amount = z.int().min(1).max(999_999_999_999_999);

/** A quota, of a tenant and of the configuration. */
export const quotaSchema = z
  .strictObject({
    operations: Amount.optional(),
    bytes: Amount.optional(),
    periodSeconds: z
      .int()
      .min(60)
      .max(31 * DAY_SECONDS),
  })
  .refine(({ operations, bytes }) => operations !== undefined || bytes !== undefined, 'must have operations or bytes');

/** Immutable ids are given by Azure; a rule's name or resource id in its place is a mistake. */
const RULE_ID = /^dcr-[0-9a-f]{32}$/;
const STREAM = /^Custom-[A-Za-z][A-Za-z0-9_]{0,99}$/;

const logsIngestionSchema = ({ ingestion }: VaultHosts) =>
  z.strictObject({
    endpoint: z
      .string()
      .max(300)
      .transform((url) => url.toLowerCase().replace(/\/$/, ''))
      .refine((url) => ingestion.accept(url), `must be ${ingestion.form}`),
    ruleId: z.string().regex(RULE_ID, "must be the rule's immutable id: dcr- and 32 lower-case hex digits"),
    stream: z.string().regex(STREAM, 'must be Custom- and 1 to 100 of A-Z, a-z, 0-9 and _'),
  });

/**
 * Returns the schema of a written record. Rules that need other records or the home vault's address
 * are applied later.
 */
export function tenantSchema(hosts: VaultHosts) {
  const vaultUrl = z
    .string()
    .max(300)
    .transform((url) => url.toLowerCase().replace(/\/$/, ''))
    .refine((url) => hosts.accept(url), `must be ${hosts.form}`)
    .refine((url) => !hosts.isHome(url), "is the vendor's home vault, whose keys belong to no tenant");
  const Key = z.strictObject({
    vaultUrl,
    name: z.string().regex(KEY_NAME, 'must be 1 to 127 characters of 0-9, A-Z, a-z and -'),
    keyVersion: z.string().regex(KEY_VERSION, 'must be 32 lower-case hex digits').optional(),
    use: z.enum(['data', 'wrap']),
    algorithm: Algorithm.optional(),
    form: z.enum(['self-contained', 'compact']).optional(),
    fallback: z.enum(['self-contained', 'refuse']).optional(),
  });
  return z
    .strictObject({
      id: TenantId,
      displayName: z.string().min(1).max(200).regex(DISPLAY_NAME, 'must have no control characters').optional(),
      entraTenantId: z.guid().transform((id) => id.toLowerCase()),
      state: z.enum(['active', 'suspended']).default('active'),
      keys: membersOf(
        z.string().regex(KEY_ALIAS, 'an alias must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -'),
        Key,
      ),
      defaultKey: z.string(),
      keyRules: z
        .array(
          z.strictObject({
            when: membersOf(z.string().min(1).max(128), z.string().max(1_024)).refine(
              (pairs) => Object.keys(pairs).length > 0,
              'must have a pair',
            ),
            key: z.string(),
          }),
        )
        .max(MAX_KEY_RULES)
        .optional(),
      retiredKeys: z
        .array(Key.pick({ vaultUrl: true, name: true }))
        .max(MAX_RETIRED_KEYS)
        .default([]),
      indexes: membersOf(
        z.string().regex(INDEX_NAME, 'a name must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -'),
        Index,
      )
        .refine((indexes) => Object.keys(indexes).length <= MAX_INDEXES, `must be at most ${MAX_INDEXES} indexes`)
        .optional(),
      dataKeys: DataKeyBoundsSchema.partial().optional(),
      revocationBoundSeconds: RevocationBoundSeconds.optional(),
      origin: z.enum(['required', 'optional']).default('required'),
      requiredContext: z.array(z.string().min(1).max(128)).max(64).default([]),
      requiredAccess: z
        .array(z.enum(['subject', 'reason', 'label']))
        .max(3)
        .optional(),
      checkIntervalSeconds: z
        .int()
        .min(60)
        .max(30 * DAY_SECONDS)
        .optional(),
      canarySecret: z.string().regex(KEY_NAME).optional(),
      graph: z
        .strictObject({
          organization: z.boolean().optional(),
          users: z.boolean().optional(),
          groups: z.boolean().optional(),
        })
        .optional(),
      leases: z.strictObject({ maxSeconds: z.int().min(MIN_LEASE_SECONDS).max(MAX_BOUND_SECONDS) }).optional(),
      quota: quotaSchema.optional(),
      siem: z.strictObject({ logsIngestion: logsIngestionSchema(hosts) }).optional(),
      metadata: membersOf(z.string().min(1).max(128), z.string().max(1_024)).optional(),
    })
    .superRefine((tenant, context) => {
      for (const [path, message] of [...problemsOfKeys(tenant), ...problemsOfRules(tenant), ...leaseRules(tenant)])
        context.addIssue({ code: 'custom', path, message });
    });
}

export type TenantInput = z.output<ReturnType<typeof tenantSchema>>;

/** Returns a record with the members that a registry adds. */
export const tenantOf = (input: TenantInput, stamps: Pick<Tenant, 'revision' | 'createdAt' | 'updatedAt'>): Tenant =>
  ({ ...input, ...stamps }) as Tenant; // zod's optional members are `| undefined` by type, and absent in fact

type OfKeys = Pick<TenantInput, 'keys' | 'defaultKey' | 'keyRules'>;

function* problemsOfRules({ keys, keyRules = [] }: OfKeys): Generator<[path: string[], message: string]> {
  for (const [index, { key }] of keyRules.entries()) {
    const named = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (named?.use !== 'data') yield [['keyRules', String(index), 'key'], 'must be an alias of a key with use: data'];
  }
}

function* problemsOfKeys({ keys, defaultKey }: OfKeys): Generator<[path: string[], message: string]> {
  const aliases = Object.keys(keys);
  if (aliases.length === 0 || aliases.length > MAX_KEYS) yield [['keys'], `must be 1 to ${MAX_KEYS} keys`];
  const known = Object.hasOwn(keys, defaultKey) ? keys[defaultKey] : undefined;
  if (!known) yield [['defaultKey'], 'must be an alias of the keys'];
  else if (known.use !== 'data') yield [['defaultKey'], 'must be a key with use: data'];
  for (const [alias, key] of Object.entries(keys)) {
    const registered = key as RegisteredKey;
    const problem = algorithmProblem(registered);
    if (problem) yield [['keys', alias, 'algorithm'], problem];
    if (registered.form !== undefined && registered.use !== 'data')
      yield [['keys', alias, 'form'], 'only a key with use: data has a form'];
    if (registered.fallback !== undefined && registered.form !== 'compact')
      yield [['keys', alias, 'fallback'], 'only a key with form: compact has a fallback'];
  }
}

type LeaseRules = Pick<TenantInput, 'keys' | 'leases' | 'revocationBoundSeconds' | 'dataKeys' | 'requiredAccess'>;

/** A lease promises an end that only a proof of access has, and only the compact form has leaves. */
function* leaseRules(record: LeaseRules): ReturnType<typeof problemsOfKeys> {
  const { keys, leases, revocationBoundSeconds, dataKeys, requiredAccess = [] } = record;
  if (!leases) return;
  if (!Object.values(keys).some(({ form }) => form === 'compact')) yield [['leases'], 'need a key with form: compact'];
  if (revocationBoundSeconds === 0) yield [['leases'], 'need a revocation bound: with 0 each use asks the vault'];
  if (dataKeys?.mode === 'perMessage') yield [['leases'], 'are impossible with a data key for each message'];
  if (requiredAccess.length > 0) yield [['leases'], 'are impossible with requiredAccess: a holder names no one'];
}

function algorithmProblem({ use, algorithm }: RegisteredKey): string | undefined {
  if (algorithm === undefined) return undefined;
  if (use === 'data' && !isDataAlgorithm(algorithm))
    return `a key with use: data needs one of ${DATA_ALGORITHMS.join(', ')}`;
  return undefined;
}
