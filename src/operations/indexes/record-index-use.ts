import type { AuditKeyUse } from '../../audit/event.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { VaultCallIds } from '../../errors.ts';
import type { OpenedIndexKey } from '../../keyring/indexes/opened-index-keys.ts';
import { assertAllowed, type PolicedUse } from '../../keyring/policy/assert-allowed.ts';
import type { CountKeyUse } from '../../tenants/key-usage.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { SliceDeps } from '../batch.ts';
import { type AuditDeps, digestOf } from '../record-success.ts';
import type { IndexKeys } from './index-of.ts';

/** The dependencies of every call that uses index keys. */
export interface IndexUseDeps extends AuditDeps, SliceDeps {
  readonly indexKeys: IndexKeys;
  readonly countKeyUse: CountKeyUse;
  readonly maxPlaintextBytes: number;
}

interface Facts {
  readonly operation: string;
  readonly tenantId: string;
  readonly index: string;
  readonly values: number;
  readonly bytes: number;
  /** Canonical. */
  readonly context?: Buffer | undefined;
}

/** A key version that a call used, and the vault call that proved access to it. */
export interface IndexKeyUse {
  readonly keyId: string;
  readonly vaultCall: VaultCallIds | undefined;
}

/**
 * Returns the key versions of index keys, each once, and counts them as used: `writing` seals, the
 * others open. Call it before the keys are used.
 * @throws ServiceError `policy-refused`
 */
export function useOf(
  deps: IndexUseDeps,
  tenant: Tenant,
  keys: readonly OpenedIndexKey[],
  about: PolicedUse,
  writing?: OpenedIndexKey,
): readonly IndexKeyUse[] {
  const { proofs } = deps.indexKeys.indexesOf(tenant).dataKeys;
  const kids = [...new Set(keys.map(({ row }) => row.kid))];
  for (const kid of kids) assertAllowed(proofs.accessTo(kid).vaultCall, about);
  for (const kid of kids) deps.countKeyUse(tenant.id, kid, kid === writing?.row.kid ? 'sealed' : 'opened');
  return kids.map((keyId) => ({ keyId, vaultCall: proofs.accessTo(keyId).vaultCall }));
}

/**
 * Records a call: one record, with the number of its values and each key version.
 * @throws ServiceError `audit-unavailable`
 */
export async function recordIndexUse(
  deps: AuditDeps,
  { requestId, clientRequestId, principal, access }: AuthenticatedRequest,
  { operation, tenantId, index, values, bytes, context }: Facts,
  uses: readonly IndexKeyUse[],
): Promise<void> {
  await deps.audit.record({
    operation,
    outcome: 'succeeded',
    requestId,
    clientRequestId,
    principal: principal.id,
    tenantId,
    bytes,
    context: digestOf(deps, tenantId, context),
    items: { succeeded: values },
    keys: uses.map((use) => keyUse(use, values)),
    index,
    access,
  });
}

const keyUse = ({ keyId, vaultCall }: IndexKeyUse, count: number): AuditKeyUse => ({
  keyId,
  vaultRequestId: vaultCall?.vaultRequestId ?? '',
  ...(vaultCall?.vaultClientRequestId !== undefined && { vaultClientRequestId: vaultCall.vaultClientRequestId }),
  ...(vaultCall?.policy !== undefined && { policy: vaultCall.policy }),
  count,
});
