import * as z from 'zod';
import type { SiemCursor } from '../audit/siem/siem-table.ts';
import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import { TENANT_ID } from '../format/jwe-header.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { KeyringStore } from '../keyring/keyring-store.ts';
import { keyPoliciesOf, type ShownPolicy } from '../keyring/policy/shown-policies.ts';
import { defined } from '../lib/defined.ts';
import type { Check } from '../tenants/checks.ts';
import type { ShownKeyUse } from '../tenants/key-usage.ts';
import type { ShownQuota, TenantQuotas } from '../tenants/quotas.ts';
import type { Tenant } from '../tenants/record.ts';
import type { TenantPlace, TenantQuery, TenantRegistry } from '../tenants/registry.ts';
import { assertGranted, assertRole } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';

export interface ReadTenantsDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get' | 'search'>;
  /** Returns the key versions that were used, the last used first. */
  readonly keyUsageOf: (tenantId: string) => Promise<readonly ShownKeyUse[]>;
  readonly dataKeys: Pick<DataKeys, 'policyOf'>;
  readonly keyring: { readonly keys: Pick<KeyringStore, 'needs'> };
  /** Returns how far a tenant's records are in its SIEM. Absent if deliveries are off. */
  readonly siemCursorOf: ((tenantId: string) => Promise<SiemCursor | undefined>) | undefined;
  readonly quotas: Pick<TenantQuotas, 'show'>;
  /** Returns the results of the last visits by id, without tenants that were never visited. */
  readonly lastChecks: (tenantIds: readonly string[]) => Promise<ReadonlyMap<string, Check>>;
}

type CheckedTenant = Tenant & { readonly lastCheck?: Check };

/** The number of branch and index keys, and of their newest copies, that a key version wraps. */
interface KeyNeed {
  readonly keyId: string;
  readonly keys: number;
  readonly copies: number;
}

type ShownTenant = CheckedTenant & {
  readonly keyUsage: readonly ShownKeyUse[];
  /** Absent if no key carries a policy. */
  readonly keyPolicies?: Readonly<Record<string, ShownPolicy>>;
  /** Absent for a tenant without branch keys. */
  readonly branchKeys?: readonly KeyNeed[];
  /** Absent for a tenant without SIEM. */
  readonly siemDelivery?: ShownDelivery;
  /** Absent for a tenant without a quota. */
  readonly quotaUse?: ShownQuotaUse;
};

interface ShownQuotaUse extends Pick<ShownQuota, 'isDefault' | 'periodSeconds' | 'limits'> {
  readonly endsAt: string;
}

interface ShownDelivery {
  readonly deliveredUntil?: string;
  readonly deliveredAt?: string;
  readonly waiting: number;
  readonly trouble?: string;
  readonly troubleSince?: string;
  readonly fix?: string;
}

interface CheckedPage {
  readonly tenants: readonly CheckedTenant[];
  readonly nextCursor?: string;
}

async function withLastChecks(deps: ReadTenantsDeps, tenants: readonly Tenant[]): Promise<CheckedTenant[]> {
  const checks = await deps.lastChecks(tenants.map(({ id }) => id));
  return tenants.map((tenant) => {
    const lastCheck = checks.get(tenant.id);
    return lastCheck ? { ...tenant, lastCheck } : tenant;
  });
}

/**
 * Returns one tenant's record, suspended or not, with the customer's policies on its keys, their
 * recorded use, and the branch keys that need them.
 * @throws ServiceError
 */
export async function getTenant(
  deps: ReadTenantsDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<ShownTenant> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  const [tenant] = await withLastChecks(deps, [await deps.tenants.get(tenantId)]);
  if (!tenant) throw new Error('a tenant came back as none');
  const keyUsage = await deps.keyUsageOf(tenantId);
  const branchKeys = await deps.keyring.keys.needs(tenantId);
  const keyPolicies = await keyPoliciesOf(deps.dataKeys, tenant);
  const siemDelivery = tenant.siem && (await deliveryOf(deps, tenantId));
  const quota = await deps.quotas.show(tenant);
  await recordSuccess(deps, request, { operation: 'tenant-read', tenantId });
  return {
    ...tenant,
    keyUsage,
    ...(Object.keys(keyPolicies).length > 0 && { keyPolicies }),
    ...(siemDelivery && { siemDelivery }),
    ...(quota && { quotaUse: { ...quota, endsAt: new Date(quota.endsAt).toISOString() } }),
    ...(branchKeys.length > 0 && {
      branchKeys: branchKeys.map(({ kid, keys, copies }) => ({ keyId: kid, keys, copies })),
    }),
  };
}

async function deliveryOf(
  { siemCursorOf }: Pick<ReadTenantsDeps, 'siemCursorOf'>,
  tenantId: string,
): Promise<ShownDelivery | undefined> {
  const cursor = await siemCursorOf?.(tenantId);
  if (!cursor) return undefined;
  const { deliveredUntil, deliveredAt, waiting, trouble, troubleSince } = cursor;
  return defined({
    deliveredUntil: timeOf(deliveredUntil),
    deliveredAt: timeOf(deliveredAt),
    waiting,
    trouble: trouble?.reason,
    troubleSince: timeOf(troubleSince),
    fix: trouble?.fix,
  });
}

const timeOf = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

export interface ListTenantsInput extends Pick<TenantQuery, 'limit' | 'sort' | 'search' | 'state'> {
  readonly cursor?: string | undefined;
}

/**
 * Returns a page of the tenants that the caller may see.
 * @throws ServiceError
 */
export async function listTenants(
  deps: ReadTenantsDeps,
  request: AuthenticatedRequest,
  { cursor, ...query }: ListTenantsInput,
): Promise<CheckedPage> {
  assertRole(request.principal, 'Tenants.Read');
  const { tenantIds } = request.principal;
  const after = cursor === undefined ? undefined : placeOf(cursor, query.sort);
  const page = await deps.tenants.search({ ...query, after, within: tenantIds && [...tenantIds] });
  await recordSuccess(deps, request, { operation: 'tenant-list' });
  const tenants = await withLastChecks(deps, page.tenants);
  return defined({ tenants, nextCursor: page.next && cursorOf(page.next, query.sort) });
}

/** Returns a cursor. It is opaque to clients, so that its content may change. */
const cursorOf = ({ key, id }: TenantPlace, sort: TenantQuery['sort']): string =>
  Buffer.from(JSON.stringify([sort, key, id])).toString('base64url');

const KEYS: Readonly<Record<TenantQuery['sort'], (key: unknown) => boolean>> = {
  id: (key) => typeof key === 'string' && TENANT_ID.test(key),
  name: (key) => typeof key === 'string' && !key.includes('\0'),
  updated: Number.isSafeInteger,
  checked: Number.isSafeInteger,
};

/**
 * Returns the place that a cursor names.
 * @throws ServiceError `malformed-request`
 */
function placeOf(cursor: string, wanted: TenantQuery['sort']): TenantPlace {
  const parsed = CursorContent.safeParse(cursor);
  const [sort, key, id] = parsed.data ?? [];
  if (sort === wanted && key !== undefined && id !== undefined && KEYS[wanted](key)) {
    const place = { key, id };
    if (cursorOf(place, wanted) === cursor) return place;
  }
  const detail = 'is no cursor that this list gave in this order';
  throw new ServiceError('malformed-request', `cursor ${detail}`, { errors: [{ pointer: '/query/cursor', detail }] });
}

const CursorContent = z
  .string()
  .transform((cursor) => parsedJson(Buffer.from(cursor, 'base64url').toString()))
  .pipe(z.tuple([z.string(), z.union([z.string(), z.number()]), z.string().regex(TENANT_ID)]));

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
