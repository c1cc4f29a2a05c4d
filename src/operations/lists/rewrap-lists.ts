import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { canonicalContext } from '../../format/encryption-context.ts';
import type { MessageRun } from '../../format/message-runs.ts';
import { releaseMemory } from '../../lib/memory.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { DoneItems } from '../batch.ts';
import type { Encrypted } from '../encrypt-data.ts';
import { openGrant, type TenantGrant } from '../granted-tenant.ts';
import { targetKey } from '../registered-key.ts';
import { type RewrapDeps, type RewrapItem, recordMoves, rewrapItems } from '../rewrap-data.ts';
import { openList } from './decrypt-lists.ts';
import { sealList } from './encrypt-lists.ts';
import { atOnce, chunksIn, eachChunk, itemsAfter, type ListBatch, type ListResult, type ListWork } from './lists.ts';

/** Items with short messages that have all else in common, the header and the key too. */
export interface MovedRun extends Omit<RewrapItem, 'ciphertext'>, MessageRun {}

/**
 * Does the same for lists. Messages that stay with their tenant are opened and sealed together
 * where they can be.
 * @throws ServiceError for a failure of the whole batch
 */
export async function rewrapLists(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  batch: ListBatch<RewrapItem, MovedRun>,
): Promise<ListResult<Encrypted>> {
  const { tenantId, runs } = batch;
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const target = await sealingGrant(deps, request, tenantId);
  const done = target ? await moveLists(deps, { ...batch, request, grant }, target, runs) : [];
  const outcomes = await rewrapItems(deps, request, grant, itemsAfter(done, batch));
  const rest = await recordMoves(deps, request, tenantId, outcomes, done);
  return { done, rest };
}

/** Returns the grant to seal, if the caller has it; otherwise each item has the refusal. */
async function sealingGrant(
  deps: RewrapDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<TenantGrant | undefined> {
  try {
    return await openGrant(deps, request, 'Data.Encrypt', tenantId);
  } catch (error) {
    if (error instanceof ServiceError) return undefined;
    throw error;
  }
}

/** Returns the first messages, moved within their tenant. */
function moveLists(
  deps: RewrapDeps,
  work: ListWork,
  target: TenantGrant,
  runs: readonly MovedRun[],
): Promise<readonly DoneItems[]> {
  return eachChunk(deps, work, chunksIn(runs), (run, tenant) => {
    const { to = {} } = run;
    if (to.tenantId !== undefined && to.tenantId !== tenant.id) return undefined;
    const check = target.recheck();
    if (check) return atOnce(check) as undefined;
    return moveList(deps, work, tenant, run);
  });
}

function moveList(deps: RewrapDeps, work: ListWork, tenant: Tenant, run: MovedRun): DoneItems | undefined {
  const {
    request: { access },
    frameOf,
  } = work;
  const { first, list, to = {}, encryptionContext } = run;
  const context = canonicalContext(encryptionContext);
  const key = targetKey(tenant, to, encryptionContext);
  const about = { operation: 'decrypt', context, access } as const;
  return openList(deps, tenant, { first, list }, about, (opening) => {
    // After the message's own key, as for one item: a vault that does not answer fails one call of both.
    const freshening = deps.dataKeys.freshenVersion(tenant, key);
    if (freshening) return atOnce(freshening) as undefined;
    const texts = opening.contentKey.openAll({ aad: first.aad, list });
    if (!texts) return undefined;
    try {
      const sealed = sealList(deps, tenant, key, texts, { context, access, frameOf });
      if (!sealed) return undefined;
      const { json, keyId, vaultCall } = sealed;
      const count = texts.ends.length;
      deps.countKeyUse(tenant.id, opening.keyId, 'opened', count);
      deps.countKeyUse(tenant.id, keyId, 'sealed', count);
      return { json, count, use: { keyId, vaultCall, bytes: texts.bytes.length } };
    } finally {
      texts.bytes.fill(0);
      releaseMemory(texts.bytes);
    }
  });
}
