import type { AuditEvent } from '../event.ts';

/** The version of the schema that events keep to: https://schema.ocsf.io/1.6.0/classes/api_activity */
export const OCSF_VERSION = '1.6.0';

const CATEGORY = 6;
const CLASS = 6003;
const CREATE = { activity_id: 1, activity_name: 'Create' } as const;
const READ = { activity_id: 2, activity_name: 'Read' } as const;
const UPDATE = { activity_id: 3, activity_name: 'Update' } as const;
const DELETE = { activity_id: 4, activity_name: 'Delete' } as const;

/**
 * The activity of an operation, by its name's first fitting form. Others are 99, with the operation
 * as their name.
 */
const ACTIVITIES = [
  [/^(?:batch-|deterministic-)?(?:encrypt|wrap|data-key)/, CREATE],
  [
    /^(?:batch-|deterministic-)?(?:decrypt|unwrap)|^vault-unwrap$|^index-tokens$|^lease-open$|-(?:read|list|export|verify|check)$/,
    READ,
  ],
  [/^lease$|-restore$|-create$|-issue$/, CREATE],
  [/^rewrap|-(?:rewrap|put|patch|rotate)$/, UPDATE],
  [/-(?:remove|destroy|retire|forget|revoke)$/, DELETE],
] as const;

/** Members of the record that OCSF has no place for. Salt, MAC and hashes of the chain stay here. */
const UNMAPPED = [
  'phase',
  'bytes',
  'clientRequestId',
  'context',
  'access',
  'policy',
  'vaultRequestId',
  'vaultClientRequestId',
  'keys',
  'items',
  'index',
  'storedKey',
  'lease',
  'leaves',
  'link',
] as const satisfies readonly (keyof AuditEvent)[];

/** The top-level attributes of an event: the columns of the customer's table. */
export interface OcsfEvent {
  readonly activity_id: number;
  readonly activity_name: string;
  readonly actor: { readonly user: { readonly uid: string } } | { readonly app_name: string };
  readonly api: object;
  readonly category_uid: number;
  readonly class_uid: number;
  readonly count?: number;
  readonly metadata: object;
  readonly resources?: readonly object[];
  readonly severity_id: number;
  readonly src_endpoint: object;
  readonly status: string;
  readonly status_code?: string;
  readonly status_detail?: string;
  readonly status_id: number;
  readonly time: number;
  readonly type_uid: number;
  readonly unmapped?: object;
}

export interface EventPlace {
  /** Absent for a record of no tenant. */
  readonly tenantId: string | undefined;
  /** Number of the record in its tenant's log; absent outside of one. */
  readonly sequence?: number;
  /** Version of the service. */
  readonly version: string;
}

/** Returns the OCSF event of a line of the tenant's log, also of one that a newer release wrote. */
export function ocsfEvent(line: string, place: EventPlace): OcsfEvent {
  const record = readLine(line);
  if (record.type === 'lost') return lostEvent(record, place);
  const { operation = 'unreadable', outcome, code, reason, principal, requestId = '' } = record;
  const { keyId, keys = [], count, at = '' } = record;
  const uids = new Set([...(keyId === undefined ? [] : [keyId]), ...keys.map((use) => use.keyId)]);
  const unmapped = Object.fromEntries(
    UNMAPPED.map((name) => [name, record[name]] as const).filter(([, value]) => value !== undefined),
  );
  return {
    ...eventOf(operation, outcome === 'succeeded', timeOf(at)),
    actor: principal === undefined ? { app_name: 'unknown' } : { user: { uid: principal } },
    api: {
      operation,
      request: { uid: requestId },
      service: { name: 'vaultspan' },
      ...(code !== undefined && { response: { error: code } }),
    },
    ...(uids.size > 0 && { resources: [...uids].map((uid) => ({ uid, type: 'Key Vault key' })) }),
    ...(code !== undefined && { status_code: code }),
    ...(reason !== undefined && { status_detail: reason }),
    ...(count !== undefined && { count }),
    metadata: metadataOf(place, `${record.chain ?? ''}/${record.sequence ?? ''}`, at),
    ...(Object.keys(unmapped).length > 0 && { unmapped }),
  };
}

/** Returns the event of a line of a chain; undefined for a line about the chain itself. */
export function chainEvent(line: string, version: string): OcsfEvent | undefined {
  const { type, tenantId } = readLine(line);
  return type === 'event' ? ocsfEvent(line, { tenantId, version }) : undefined;
}

/** Returns the event of the doctor's dry ingestion; it stands for no record. */
export const checkEvent = (tenantId: string, version: string, at: string): OcsfEvent => ({
  ...eventOf('siem-check', true, timeOf(at)),
  actor: { app_name: 'vaultspan' },
  api: { operation: 'siem-check', service: { name: 'vaultspan' } },
  metadata: { version: OCSF_VERSION, product: productOf(version), log_name: 'audit', tenant_uid: tenantId },
});

/** The members of a line that are read here; each may be missing. */
type Line = Partial<AuditEvent> & {
  readonly type?: string;
  readonly chain?: string;
  readonly sequence?: number;
  readonly at?: string;
  readonly first?: number;
  readonly last?: number;
};

/** Returns the line's members. A damaged line has none, and must not hold up those after it. */
function readLine(line: string): Line {
  try {
    return Object(JSON.parse(line)) as Line;
  } catch {
    return {};
  }
}

/** Returns the event of an entry that names records which a chain lacks. */
function lostEvent({ chain = '', first = 0, last = 0, at = '' }: Line, place: EventPlace): OcsfEvent {
  return {
    ...eventOf('records-lost', false, timeOf(at)),
    actor: { app_name: 'vaultspan' },
    api: { operation: 'records-lost', service: { name: 'vaultspan' } },
    metadata: metadataOf(place, `${chain}/${first}-${last}`, at),
    unmapped: { chain, first, last },
  };
}

function eventOf(operation: string, isSuccess: boolean, time: number) {
  const [, activity] = ACTIVITIES.find(([form]) => form.test(operation)) ?? [];
  const { activity_id, activity_name } = activity ?? { activity_id: 99, activity_name: operation };
  return {
    activity_id,
    activity_name,
    category_uid: CATEGORY,
    class_uid: CLASS,
    type_uid: CLASS * 100 + activity_id,
    severity_id: isSuccess ? 1 : 3, // informational, medium
    status_id: isSuccess ? 1 : 2,
    status: isSuccess ? 'Success' : 'Failure',
    src_endpoint: { name: 'unknown' }, // a record has no address of the caller
    time,
  };
}

/** Returns milliseconds since 1970; a damaged line is as old as possible. */
const timeOf = (at: string): number => Date.parse(at) || 0;

const metadataOf = ({ tenantId, sequence, version }: EventPlace, uid: string, at: string) => ({
  version: OCSF_VERSION,
  product: productOf(version),
  uid,
  ...(sequence !== undefined && { sequence }),
  ...(tenantId !== undefined && { tenant_uid: tenantId }),
  log_name: 'audit',
  original_time: at,
});

const productOf = (version: string) => ({ name: 'Vaultspan', vendor_name: 'Vaultspan', version });
