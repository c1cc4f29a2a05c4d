import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import { retry } from '../lib/retry.ts';
import { recordOf, type Tenant } from '../tenants/record.ts';
import { assertKept, type RecordObstacles } from '../tenants/record-obstacles.ts';
import type { TenantInput } from '../tenants/record-schema.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { assertGranted } from './granted-tenant.ts';
import { mergePatch } from './merge-patch.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';

export interface ChangeTenantDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get' | 'put' | 'remove' | 'restore'>;
  /**
   * Returns the parsed record.
   * @throws ServiceError `malformed-request` with every invalid field
   */
  readonly parseTenant: (record: unknown) => TenantInput;
  /** Makes the first keys of the tenant's indexes, in the background. */
  readonly makeIndexKeys: (tenant: Tenant) => void;
  readonly obstacles: RecordObstacles;
}

export interface ChangeTenantInput {
  readonly tenantId: string;
  /** As `JSON.parse` made it. */
  readonly record: unknown;
  /** The `If-Match` header as received. */
  readonly ifMatch: string | undefined;
}

/**
 * Returns the stored tenant. Without If-Match it only creates; with it, it replaces exactly that
 * revision.
 * @throws ServiceError
 */
export async function putTenant(
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  input: ChangeTenantInput,
): Promise<Tenant> {
  assertGranted(request.principal, 'Tenants.Manage', input.tenantId);
  const record = deps.parseTenant(withId(input.record, input.tenantId));
  assertKept(record, deps.obstacles);
  const revision = input.ifMatch === undefined ? undefined : revisionOf(input.ifMatch);
  const tenant = await deps.tenants.put(record, revision, request.principal.id);
  await recordSuccess(deps, request, { operation: 'tenant-put', tenantId: tenant.id });
  deps.makeIndexKeys(tenant);
  return tenant;
}

/**
 * Applies a merge patch (RFC 7396) to exactly one revision.
 * @throws ServiceError
 */
export async function patchTenant(
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  input: ChangeTenantInput,
): Promise<Tenant> {
  assertGranted(request.principal, 'Tenants.Manage', input.tenantId);
  const revision = requiredRevision(input.ifMatch);
  const before = await deps.tenants.get(input.tenantId);
  if (before.revision !== revision) throw mismatch();
  const record = deps.parseTenant(withId(mergePatch(recordOf(before), input.record), input.tenantId));
  assertKept(record, deps.obstacles);
  const tenant = await deps.tenants.put(record, revision, request.principal.id);
  await recordSuccess(deps, request, { operation: 'tenant-patch', tenantId: tenant.id });
  deps.makeIndexKeys(tenant);
  return tenant;
}

/**
 * Removes a tenant, which must be suspended first: by then, everything that depends on it has
 * become visible. Its id is never used again, since ciphertexts carry it permanently.
 * @throws ServiceError `precondition-required` without If-Match, or with reason `not-suspended`
 */
export async function deleteTenant(
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  { tenantId, ifMatch }: Pick<ChangeTenantInput, 'tenantId' | 'ifMatch'>,
): Promise<void> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  const revision = requiredRevision(ifMatch);
  const before = await deps.tenants.get(tenantId);
  if (before.revision === revision && before.state !== 'suspended') throw notSuspended();
  await deps.tenants.remove(tenantId, revision, request.principal.id);
  await recordSuccess(deps, request, { operation: 'tenant-remove', tenantId });
}

/**
 * Reverts `deleteTenant`; the tenant is then suspended.
 * @throws ServiceError
 */
export async function restoreTenant(
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<Tenant> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  const tenant = await deps.tenants.restore(tenantId, request.principal.id);
  await recordSuccess(deps, request, { operation: 'tenant-restore', tenantId });
  return tenant;
}

/** Concurrent changes of the record may win a few times; each try reads it again. */
const AT_ONCE = [0, 0, 0, 0];

/**
 * Suspends a tenant: the vendor's kill switch. It needs no revision: in an emergency the operator
 * has no time to read one first.
 * @throws ServiceError
 */
export const suspendTenant = (
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<Tenant> => setTenantState(deps, request, tenantId, 'suspended');

/**
 * Reverts `suspendTenant`.
 * @throws ServiceError
 */
export const resumeTenant = (
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<Tenant> => setTenantState(deps, request, tenantId, 'active');

async function setTenantState(
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  tenantId: string,
  state: Tenant['state'],
): Promise<Tenant> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  const tenant = await retry(() => withState(deps, request, tenantId, state), {
    pausesMs: AT_ONCE,
    isTransient: isRace,
  });
  await recordSuccess(deps, request, {
    operation: state === 'suspended' ? 'tenant-suspend' : 'tenant-resume',
    tenantId,
  });
  return tenant;
}

async function withState(
  deps: ChangeTenantDeps,
  request: AuthenticatedRequest,
  tenantId: string,
  state: Tenant['state'],
): Promise<Tenant> {
  const before = await deps.tenants.get(tenantId);
  if (before.state === state) return before;
  const record = deps.parseTenant({ ...recordOf(before), state });
  return deps.tenants.put(record, before.revision, request.principal.id);
}

const isRace = (error: unknown): boolean => error instanceof ServiceError && error.code === 'revision-mismatch';

function withId(record: unknown, id: string): unknown {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return record;
  if (Object.hasOwn(record, 'id') && (record as { readonly id?: unknown }).id !== id) {
    const detail = 'is not the id of the path';
    throw new ServiceError('malformed-request', `id ${detail}`, { errors: [{ pointer: '/id', detail }] });
  }
  return { ...record, id };
}

const ETAG = /^"([^"]{1,64})"$/;

/** Returns the revision in one strong entity tag (RFC 9110 §13.1.1), in our form. */
function revisionOf(ifMatch: string): string {
  const revision = ETAG.exec(ifMatch.trim())?.[1];
  if (revision !== undefined) return revision;
  const detail = 'is one ETag in quotes, as it was given';
  throw new ServiceError('malformed-request', `If-Match ${detail}`, {
    errors: [{ pointer: '/header/If-Match', detail }],
  });
}

function requiredRevision(ifMatch: string | undefined): string {
  if (ifMatch !== undefined) return revisionOf(ifMatch);
  throw new ServiceError('precondition-required', 'If-Match is required: send the current ETag');
}

const notSuspended = (): ServiceError =>
  new ServiceError('precondition-required', 'Only a suspended tenant can be removed', {
    reason: 'not-suspended',
    fix: { owner: 'vendor', action: 'Suspend the tenant, make sure that nothing needs it, then remove it' },
  });

const mismatch = (): ServiceError =>
  new ServiceError('revision-mismatch', 'The tenant has changed since it was read: read it again and send its ETag');
