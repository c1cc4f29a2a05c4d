import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import {
  listVersions,
  makeFirstVersions,
  retireVersion,
  rotateIndex as rotateVersions,
  type ShownVersion,
} from '../../keyring/indexes/change-indexes.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted, type GrantDeps, grantedTenant } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import { type IndexKeys, indexNotFound, indexOf, settingsOf } from './index-of.ts';

export interface ChangeIndexDeps extends AuditDeps, GrantDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly indexKeys: IndexKeys;
}

interface NamedIndex {
  readonly tenantId: string;
  readonly name: string;
}

/** An index with all of its versions, the oldest first. */
export interface ShownIndex {
  readonly name: string;
  readonly versions: readonly ShownVersion[];
}

/**
 * Returns the versions of an index, also of one that was taken out of the record.
 * @throws ServiceError
 */
export async function getIndex(
  deps: ChangeIndexDeps,
  request: AuthenticatedRequest,
  { tenantId, name }: NamedIndex,
): Promise<ShownIndex> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  const tenant = await deps.tenants.get(tenantId);
  const versions = await listVersions(deps.indexKeys.indexesOf(tenant), name);
  if (versions.length === 0) indexOf(tenant, name);
  await recordSuccess(deps, request, { operation: 'index-read', tenantId, index: name });
  return { name, versions };
}

/**
 * Makes the next version of an index with the settings of the record.
 * @throws ServiceError
 */
export async function rotateIndex(
  deps: ChangeIndexDeps,
  request: AuthenticatedRequest,
  { tenantId, name }: NamedIndex,
): Promise<ShownIndex> {
  const tenant = await grantedTenant(deps.tenants, request, 'Tenants.Manage', tenantId);
  const versions = await rotateVersions(deps.indexKeys.indexesOf(tenant), name, indexOf(tenant, name));
  await recordSuccess(deps, request, { operation: 'index-rotate', tenantId, index: name });
  return { name, versions };
}

/**
 * Destroys the key of a version that is no longer written, also of an index that was taken out of
 * the record.
 * @throws ServiceError
 */
export async function retireIndexVersion(
  deps: ChangeIndexDeps,
  request: AuthenticatedRequest,
  { tenantId, name, version }: NamedIndex & { readonly version: number },
): Promise<ShownIndex> {
  const tenant = await grantedTenant(deps.tenants, request, 'Tenants.Manage', tenantId);
  const indexes = deps.indexKeys.indexesOf(tenant);
  if ((await listVersions(indexes, name)).length === 0) throw indexNotFound();
  const versions = await retireVersion(indexes, name, version);
  await recordSuccess(deps, request, { operation: 'index-retire', tenantId, index: name });
  return { name, versions };
}

/**
 * Makes the first versions of a tenant's indexes that have none, after its record was stored or its
 * access checked.
 * @throws ServiceError
 */
export async function makeIndexKeys(indexKeys: IndexKeys, tenant: Tenant): Promise<void> {
  const { indexes = {}, state } = tenant;
  if (state === 'suspended') return;
  const wanted = Object.entries(indexes).map(([name, index]) => [name, settingsOf(index)] as const);
  if (wanted.length > 0) await makeFirstVersions(indexKeys.indexesOf(tenant), Object.fromEntries(wanted));
}
