import type { Principal, Role } from '../callers/principal.ts';
import { ServiceError } from '../errors.ts';
import type { Tenant } from '../tenants/record.ts';
import { type TenantRegistry, tenantNotFound } from '../tenants/registry.ts';

/**
 * The first step of every operation on a tenant's data: the grant before any look-up, then the tenant, which must be active.
 *
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `tenant-suspended`, `registry-unavailable`
 */
export async function grantedTenant(
  tenants: Pick<TenantRegistry, 'get'>,
  principal: Principal,
  role: Role,
  tenantId: string,
): Promise<Tenant> {
  assertGranted(principal, role, tenantId);
  const tenant = await tenants.get(tenantId);
  if (tenant.state === 'suspended') {
    throw new ServiceError('tenant-suspended', 'The vendor has suspended this tenant', {
      fix: { owner: 'vendor', action: 'Resume the tenant' },
    });
  }
  return tenant;
}

/**
 * Checked before any look-up, so that a stranger can't probe for tenants.
 *
 * @throws ServiceError `grant-missing` without the role, `tenant-not-found` for a tenant that the caller is not limited to
 */
export function assertGranted(principal: Principal, role: Role, tenantId: string): void {
  assertRole(principal, role);
  if (principal.tenantIds !== undefined && !principal.tenantIds.has(tenantId)) throw tenantNotFound();
}

/** @throws ServiceError `grant-missing` */
export function assertRole(principal: Principal, role: Role): void {
  if (!principal.roles.has(role)) {
    throw new ServiceError('grant-missing', `This call needs the role ${role}`, {
      reason: role,
      fix: { owner: 'vendor', action: `Assign the application role ${role} to the caller` },
    });
  }
}
