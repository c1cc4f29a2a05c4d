import { accessRequired } from '../callers/access-claims.ts';
import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { isDataRole, type Principal, type Role } from '../callers/principal.ts';
import { ServiceError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import type { Tenant } from '../tenants/record.ts';
import { type TenantRegistry, tenantNotFound } from '../tenants/registry.ts';

export interface GrantDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly clock: Clock;
}

/** The caller, and what it claims about its access. */
export type Requester = Pick<AuthenticatedRequest, 'principal' | 'access'>;

/**
 * Longer work is checked like a new request each time this has passed: suspension and revocation
 * stop it.
 */
export const GRANT_HOLDS_MS = 1_000;

/** A caller's grant on an active tenant, checked again each second of work. */
export class TenantGrant {
  readonly #deps: GrantDeps;
  readonly #requester: Requester;
  readonly #role: Role;
  #tenant: Tenant;
  #checkedAt: number;
  #check: Promise<void> | undefined;

  constructor(deps: GrantDeps, requester: Requester, role: Role, tenant: Tenant) {
    this.#deps = deps;
    this.#requester = requester;
    this.#role = role;
    this.#tenant = tenant;
    this.#checkedAt = deps.clock.monotonicMs();
  }

  /** Returns the record of the last read. */
  get tenant(): Tenant {
    return this.#tenant;
  }

  /**
   * Returns undefined if the last check is recent enough. Concurrent work shares a check, and its
   * refusal until the next one. The promise rejects as a new request would.
   */
  recheck(): Promise<void> | undefined {
    const now = this.#deps.clock.monotonicMs();
    if (now - this.#checkedAt >= GRANT_HOLDS_MS) {
      this.#checkedAt = now;
      this.#check = this.#readAgain();
    }
    return this.#check;
  }

  async #readAgain(): Promise<void> {
    this.#tenant = await grantedTenant(this.#deps.tenants, this.#requester, this.#role, this.#tenant.id);
    this.#check = undefined;
  }
}

/**
 * Returns the grant. It is the first step of every operation on a tenant's data. The caller's grant
 * is checked before any look-up, then the tenant, which must be active, then the claims about the
 * access that its record requires.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `tenant-suspended`,
 * `registry-unavailable`, `malformed-request`
 */
export function openGrant(deps: GrantDeps, requester: Requester, role: Role, tenantId: string): Soon<TenantGrant> {
  const found = grantedTenant(deps.tenants, requester, role, tenantId);
  return whenReady(found, (tenant) => new TenantGrant(deps, requester, role, tenant));
}

/**
 * Runs work under a grant that is checked before it and, if the work had to wait, after it.
 * @throws ServiceError
 */
export function underGrant<T>(grant: TenantGrant, work: (tenant: Tenant) => Soon<T>): Soon<T> {
  const check = grant.recheck();
  if (check) return check.then(() => underCheckedGrant(grant, work));
  return underCheckedGrant(grant, work);
}

/** Does the same right after other work under the grant, which needed no check and did not wait. */
export function underCheckedGrant<T>(grant: TenantGrant, work: (tenant: Tenant) => Soon<T>): Soon<T> {
  const value = work(grant.tenant);
  if (!(value instanceof Promise)) return value;
  return value.then((ready) => grant.recheck()?.then(() => ready) ?? ready);
}

/**
 * Returns the active tenant of a caller that has the role there.
 * @throws ServiceError as `openGrant`
 */
export function grantedTenant(
  tenants: Pick<TenantRegistry, 'get'>,
  requester: Requester,
  role: Role,
  tenantId: string,
): Soon<Tenant> {
  assertGranted(requester.principal, role, tenantId);
  return whenReady(tenants.get(tenantId), (found) => {
    const tenant = assertActive(found);
    if (tenant.requiredAccess !== undefined && isDataRole(role)) assertClaims(tenant.requiredAccess, requester);
    return tenant;
  });
}

/**
 * Returns the tenant.
 * @throws ServiceError `tenant-suspended`
 */
function assertActive(tenant: Tenant): Tenant {
  if (tenant.state !== 'suspended') return tenant;
  throw new ServiceError('tenant-suspended', 'The vendor has suspended this tenant', {
    fix: { owner: 'vendor', action: 'Resume the tenant' },
  });
}

/**
 * Checks the claims that the tenant's record requires.
 * @throws ServiceError `malformed-request`
 */
function assertClaims(required: NonNullable<Tenant['requiredAccess']>, { access }: Requester): void {
  for (const claim of required) {
    if (access?.[claim] !== undefined) continue;
    throw accessRequired(required.filter((other) => access?.[other] === undefined));
  }
}

/**
 * Checks the grant before any look-up, so that a stranger cannot probe for tenants.
 * @throws ServiceError `grant-missing` without the role, `tenant-not-found` for a tenant that the
 * caller may not name
 */
export function assertGranted(principal: Principal, role: Role, tenantId: string): void {
  assertRole(principal, role);
  if (principal.tenantIds !== undefined && !principal.tenantIds.has(tenantId)) throw tenantNotFound();
}

/**
 * Checks the role.
 * @throws ServiceError `grant-missing`
 */
export function assertRole(principal: Principal, role: Role): void {
  if (!principal.roles.has(role)) {
    throw new ServiceError('grant-missing', `This call needs the role ${role}`, {
      reason: role,
      fix: { owner: 'vendor', action: `Assign the application role ${role} to the caller` },
    });
  }
}
