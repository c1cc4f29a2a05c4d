import { ServiceError } from '../../errors.ts';
import type { LeasedLeaves } from '../../keyring/leased-leaves.ts';
import type { Clock } from '../../lib/clock.ts';
import type { CountKeyUse } from '../../tenants/key-usage.ts';
import type { LeaseLimit, LeaseStore } from '../../tenants/lease-store.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { SliceDeps } from '../batch.ts';
import { assertRole, type GrantDeps, openGrant, type Requester, type TenantGrant } from '../granted-tenant.ts';
import type { AuditDeps } from '../record-success.ts';
import type { LeaseCounts } from './lease-counts.ts';

export interface LeaseDeps extends AuditDeps, GrantDeps, SliceDeps {
  readonly dataKeys: LeasedLeaves;
  readonly leases: LeaseStore;
  readonly leaseCounts: LeaseCounts;
  readonly countKeyUse: CountKeyUse;
  /** Bytes of the largest plaintext that the service decrypts, and of all in a document. */
  readonly maxPlaintextBytes: number;
}

/** The roles that a lease needs besides `Keys.Lease`. The contract names them too. */
type FurtherRole = 'Data.Encrypt' | 'Data.Decrypt';

/**
 * Returns the grant of a caller that may lease keys of the tenant.
 * @throws ServiceError as `openGrant`, and `key-use` for a tenant without leases
 */
export async function openLeaseGrant(
  deps: GrantDeps,
  requester: Requester,
  tenantId: string,
  roles: readonly FurtherRole[],
): Promise<TenantGrant> {
  for (const role of roles) assertRole(requester.principal, role);
  const grant = await openGrant(deps, requester, 'Keys.Lease', tenantId);
  leaseMsOf(grant.tenant);
  return grant;
}

/**
 * Returns how long a lease of the tenant may last.
 * @throws ServiceError `key-use` for a tenant whose record has no leases
 */
export function leaseMsOf({ leases }: Tenant): number {
  if (leases) return leases.maxSeconds * 1_000;
  throw new ServiceError('key-use', "The tenant's keys are not leased", {
    reason: 'leases-off',
    fix: { owner: 'vendor', action: "Set leases in the tenant's record, or use the service to encrypt and decrypt" },
  });
}

/** When a leaf is of no use any more. */
export interface LeaseEnd {
  readonly expiresInSeconds: number;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** Returns the end, seen from now, of something that ends at a monotonic time. */
export function leaseEnd({ clock }: { readonly clock: Clock }, endsAt: number): LeaseEnd {
  const leftMs = Math.max(0, endsAt - clock.monotonicMs());
  return {
    expiresInSeconds: Math.floor(leftMs / 1_000),
    expiresAt: new Date(clock.wallMs() + leftMs).toISOString(),
  };
}

/** Returns the refusal of a caller that holds too much; it lessens as leases end. */
export const tooMany = (what: string, limit: LeaseLimit): ServiceError =>
  new ServiceError('caller-throttled', `The ${limit} holds the largest number of ${what} that have not ended`, {
    reason: `${limit}-leases`,
    retryAfter: 30,
  });
