import { randomUUID } from 'node:crypto';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { SealingLeaf } from '../../keyring/leased-leaves.ts';
import { assertAllowed } from '../../keyring/policy/assert-allowed.ts';
import type { Tenant } from '../../tenants/record.ts';
import { underGrant } from '../granted-tenant.ts';
import { recordSuccess } from '../record-success.ts';
import { dataKeyByAlias } from '../registered-key.ts';
import { type LeaseDeps, type LeaseEnd, leaseEnd, leaseMsOf, openLeaseGrant, tooMany } from './lease-deps.ts';

/** Leases that have not ended. One caller may be many pods, each with two leases while it renews. */
const LIMITS = { perCaller: 2_000, perTenant: 10_000 };

export interface CreateLeaseInput {
  readonly tenantId: string;
  /** Alias; default: the tenant's default key. */
  readonly key?: string | undefined;
}

export interface CreatedLease extends LeaseEnd {
  readonly leaseId: string;
  readonly kid: string;
  /** The key of the leaf, 32 bytes; the user overwrites them after use. */
  readonly key: Buffer;
  readonly keyId: string;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxPlaintextBytes: number;
  readonly requiredContext: readonly string[];
}

/**
 * Returns the key of a new leaf, for a client that encrypts by itself until the lease ends.
 * @throws ServiceError
 */
export async function createLease(
  deps: LeaseDeps,
  request: AuthenticatedRequest,
  { tenantId, key }: CreateLeaseInput,
): Promise<CreatedLease> {
  const grant = await openLeaseGrant(deps, request, tenantId, ['Data.Encrypt']);
  const leaf = await underGrant(grant, (tenant) => deps.dataKeys.leaseForSealing(tenant, dataKeyByAlias(tenant, key)));
  try {
    assertAllowed(leaf.vaultCall, { operation: 'lease' });
    return await giveOut(deps, request, grant.tenant, leaf);
  } catch (error) {
    leaf.leafKey.fill(0);
    throw error;
  }
}

/** Stores and records a lease before its key leaves: no account, no lease. */
async function giveOut(
  deps: LeaseDeps,
  request: AuthenticatedRequest,
  tenant: Tenant,
  leaf: SealingLeaf,
): Promise<CreatedLease> {
  const { leafKey, kid, keyId, vaultCall, maxMessages, maxBytes } = leaf;
  const now = deps.clock.monotonicMs();
  const endsAt = Math.min(leaf.endsAt, now + leaseMsOf(tenant));
  const name = { tenantId: tenant.id, id: randomUUID(), principal: request.principal.id };
  const limit = await deps.leases.add({ ...name, kid, keyId, maxMessages, lastsMs: endsAt - now }, LIMITS);
  if (limit) throw tooMany('leases', limit);
  try {
    const facts = { operation: 'lease', tenantId: tenant.id, keyId, vaultCall, lease: name.id, leaves: [kid] };
    await recordSuccess(deps, request, facts);
  } catch (error) {
    await deps.leases.discard(name).catch(() => undefined); // otherwise it is recorded as overdue
    throw error;
  }
  deps.leaseCounts.issued += 1;
  deps.countKeyUse(tenant.id, keyId, 'sealed', 0);
  const requiredContext = [...new Set([...tenant.requiredContext, ...(vaultCall?.rules?.requiredContext ?? [])])];
  return {
    leaseId: name.id,
    kid,
    key: leafKey,
    keyId,
    ...leaseEnd(deps, endsAt),
    maxMessages,
    maxBytes,
    maxPlaintextBytes: deps.maxPlaintextBytes,
    requiredContext,
  };
}
