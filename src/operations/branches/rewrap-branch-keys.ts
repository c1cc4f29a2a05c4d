import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { type GrantDeps, openGrant, underGrant } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import { dataKeyByAlias } from '../registered-key.ts';
import { type KeysMoved, type MoveKeysDeps, moveBranchKeys } from './move-branch-keys.ts';

export interface RewrapBranchKeysDeps extends AuditDeps, GrantDeps, MoveKeysDeps {
  readonly dataKeys: MoveKeysDeps['dataKeys'] & { reread(tenantId: string): void };
}

export interface RewrapBranchKeysInput {
  readonly tenantId: string;
  /** Alias of the key to move to; the default is the newest version of each one's own key. */
  readonly to?: { readonly key: string } | undefined;
}

/** A caller waits no longer; the next call continues. */
const AT_MOST_MS = 15_000;

/**
 * Moves a tenant's branch and index keys to the newest version, or to another registered key. Each
 * moved key has a record of its own too.
 * @throws ServiceError
 */
export async function rewrapBranchKeys(
  deps: RewrapBranchKeysDeps,
  request: AuthenticatedRequest,
  { tenantId, to }: RewrapBranchKeysInput,
): Promise<KeysMoved> {
  const grant = await openGrant(deps, request, 'Tenants.Manage', tenantId);
  const target = to && dataKeyByAlias(grant.tenant, to.key, '/to/key');
  deps.dataKeys.reread(tenantId); // the rotation that the caller means may be younger than the last reading
  const moved = await moveBranchKeys(deps, {
    tenant: grant.tenant,
    to: target,
    atMostMs: AT_MOST_MS,
    run: async (move) => underGrant(grant, move),
  });
  await recordSuccess(deps, request, { operation: 'branch-keys-rewrap', tenantId });
  return moved;
}
