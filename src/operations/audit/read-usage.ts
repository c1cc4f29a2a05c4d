import { DAY_MS } from '../../audit/days.ts';
import { type RankUsage, rank, type UsageMeasure, type UsagePlace } from '../../audit/usage/ranked-usage.ts';
import { HOUR_MS, type MeteredUsage, type UsageRange, type UsageTable } from '../../audit/usage/usage-table.ts';
import { hoursFrom } from '../../audit/usage/usage-upkeep.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { type FieldError, ServiceError } from '../../errors.ts';
import { TENANT_ID } from '../../format/jwe-header.ts';
import type { Clock } from '../../lib/clock.ts';
import { assertGranted, assertRole } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';

export interface ReadUsageDeps extends AuditDeps {
  /** Absent if audit records stay in files. */
  readonly usage:
    | (Omit<UsageTable, 'addVaultCalls' | 'compact'> & { readonly ranked: RankUsage; flush(): Promise<void> })
    | undefined;
  readonly clock: Clock;
}

export interface ReadUsageInput {
  readonly by: 'tenant' | 'day' | 'hour';
  /** The order of tenants: by id, or the most of a measure first. */
  readonly sort: 'id' | UsageMeasure;
  readonly tenantId?: string | undefined;
  /** Milliseconds since 1970. Default: the start of the month in UTC. */
  readonly from?: number | undefined;
  /** Exclusive; default: the end of the current hour. */
  readonly to?: number | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

interface UsageRow extends MeteredUsage {
  readonly tenantId: string;
  /** RFC 3339. Of a day or an hour. */
  readonly start?: string;
}

interface UsagePage {
  readonly from: string;
  readonly to: string;
  readonly usage: readonly UsageRow[];
  readonly nextCursor?: string;
}

const MAX_RANGE_MS = 366 * DAY_MS;

/**
 * Returns what tenants used in a range of hours: a page of tenants, ordered by id or by a measure, or
 * the days or hours of one tenant. A caller that is limited to some tenants sees only these.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `usage-not-found`, `malformed-request`,
 * `registry-unavailable`, `overloaded`
 */
export async function readUsage(
  deps: ReadUsageDeps,
  request: AuthenticatedRequest,
  input: ReadUsageInput,
): Promise<UsagePage> {
  const { principal } = request;
  const { by, sort, tenantId, limit } = input;
  if (tenantId === undefined) assertRole(principal, 'Audit.Read');
  else assertGranted(principal, 'Audit.Read', tenantId);
  const { usage } = deps;
  if (!usage) throw notKept();
  const range = rangeOf(input, deps.clock.wallMs());
  const after = input.cursor === undefined ? undefined : placeOf(input.cursor, sort);
  await usage.flush();
  const rows = await rowsOf(usage, range, { by, sort, tenantId, limit, after, among: principal.tenantIds });
  await recordSuccess(deps, request, { operation: 'usage-read', ...(tenantId !== undefined && { tenantId }) });
  const page = { from: timeOf(range.from), to: timeOf(range.to), usage: rows.slice(0, limit) };
  const last = page.usage.at(-1);
  return by === 'tenant' && rows.length > limit && last ? { ...page, nextCursor: cursorOf(last, sort) } : page;
}

interface Wanted extends Pick<ReadUsageInput, 'by' | 'sort' | 'tenantId' | 'limit'> {
  readonly after: UsagePlace | undefined;
  /** The tenants that the caller is limited to. */
  readonly among: ReadonlySet<string> | undefined;
}

type Sums = NonNullable<ReadUsageDeps['usage']>;

/** Returns the rows of a page, and one more if there is a next page of tenants. */
async function rowsOf(usage: Sums, range: UsageRange, wanted: Wanted): Promise<readonly UsageRow[]> {
  const { by, sort, tenantId } = wanted;
  if (by === 'tenant') return tenantId === undefined ? ofAll(usage, range, wanted) : usage.ofTenants(range, [tenantId]);
  if (sort !== 'id') throw malformed('sort', `must be id with by=${by}`);
  if (tenantId === undefined) throw malformed('tenantId', `is required with by=${by}`);
  const periods = await usage.byPeriod(range, tenantId, by === 'day' ? DAY_MS : HOUR_MS);
  return periods.map(({ start, ...sums }) => ({ tenantId, start: timeOf(start), ...sums }));
}

/** Returns rows of all tenants that the caller may see. */
async function ofAll(
  usage: Sums,
  range: UsageRange,
  { sort, limit, after, among }: Wanted,
): Promise<readonly UsageRow[]> {
  const from = after?.tenantId ?? '';
  if (sort === 'id') {
    if (!among) return usage.byTenant(range, from, limit + 1);
    const ids = [...among].filter((id) => id > from);
    return (await usage.ofTenants(range, ids)).slice(0, limit + 1);
  }
  const ranking = { measure: sort, after, limit: limit + 1 };
  return among ? rank(await usage.ofTenants(range, [...among]), ranking) : usage.ranked(range, ranking);
}

/**
 * Returns the range. Hours are kept for some days, and days for longer: an older time must be a
 * day's beginning.
 */
function rangeOf({ by, from, to }: ReadUsageInput, now: number): UsageRange {
  const today = new Date(now);
  const range = {
    from: from ?? Date.UTC(today.getUTCFullYear(), today.getUTCMonth()),
    to: to ?? now - (now % HOUR_MS) + HOUR_MS,
  };
  const oldest = hoursFrom(now);
  for (const name of ['from', 'to'] as const) {
    if (range[name] % HOUR_MS !== 0) throw malformed(name, 'must be a full hour');
    if (range[name] < oldest && range[name] % DAY_MS !== 0)
      throw malformed(name, `must be midnight in UTC: hours are kept from ${timeOf(oldest)} on`);
  }
  if (range.to <= range.from) throw malformed('to', 'must be later than from');
  if (range.to - range.from > MAX_RANGE_MS) throw malformed('to', 'must be at most 366 days later than from');
  if (by === 'hour' && range.from < oldest)
    throw malformed('from', `must not be before ${timeOf(oldest)}, from which on hours are kept`);
  return range;
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

function malformed(name: string, detail: string): ServiceError {
  const errors: readonly FieldError[] = [{ pointer: `/query/${name}`, detail }];
  return new ServiceError('malformed-request', `${name} ${detail}`, { errors });
}

const notKept = (): ServiceError =>
  new ServiceError('usage-not-found', 'Usage is summed up from audit records in the database, and they are in files', {
    fix: { owner: 'vendor', action: 'Set audit.database: true' },
  });

/** Returns a cursor. It is opaque to clients, so that its content may change. */
const cursorOf = (row: UsageRow, sort: ReadUsageInput['sort']): string =>
  encoded({ value: sort === 'id' ? 0 : row[sort], tenantId: row.tenantId }, sort);

const encoded = ({ value, tenantId }: UsagePlace, sort: ReadUsageInput['sort']): string =>
  Buffer.from(`u2:${sort}:${value}:${tenantId}`).toString('base64url');

/** Returns the place that a cursor names: the next page has the order of the one before. */
function placeOf(cursor: string, sort: ReadUsageInput['sort']): UsagePlace {
  const [version, , value, id = ''] = Buffer.from(cursor, 'base64url').toString('latin1').split(':');
  const place = { value: Number(value), tenantId: id };
  const isOwn = version === 'u2' && Number.isSafeInteger(place.value) && TENANT_ID.test(id);
  if (isOwn && encoded(place, sort) === cursor) return place;
  throw malformed('cursor', 'is no cursor that a page of usage gave in this order');
}
