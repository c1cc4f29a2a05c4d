import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { type ByteList, chunksOf } from '../../format/byte-list.ts';
import { assertAllowed } from '../../keyring/policy/assert-allowed.ts';
import { type Batch, type DoneItems, eachItem, recordBatch, type SliceDeps } from '../batch.ts';
import { type EncryptDeps, type Encrypted, type EncryptItem, sealItem } from '../encrypt-data.ts';
import { openGrant } from '../granted-tenant.ts';
import { dataKeyFor } from '../registered-key.ts';
import type { SealDeps } from '../seal-message.ts';
import { contextForSealing } from '../sealing-context.ts';
import { CHUNK_ITEMS, eachChunk, type FrameOf, itemsAfter, type ListResult, type ListWork } from './lists.ts';

/** A batch whose items have a short plaintext and nothing else. */
export interface TextBatch extends Pick<Batch<EncryptItem>, 'tenantId'> {
  readonly list: ByteList;
  readonly frameOf: FrameOf;
  /** Returns the same items for themselves. */
  readonly items: () => Batch<EncryptItem>['items'];
}

/**
 * Does the same for a list. Its items are sealed together where they can be.
 * @throws ServiceError for a failure of the whole batch
 */
export async function encryptList(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  { tenantId, list, frameOf, items }: TextBatch,
): Promise<ListResult<Encrypted>> {
  const grant = await openGrant(deps, request, 'Data.Encrypt', tenantId);
  const done = await sealLists(deps, { request, grant, frameOf }, list);
  const rest = await eachItem(deps, itemsAfter(done, list.ends.length, items), grant, (item, tenant) =>
    sealItem(deps, request, tenant, item, contextForSealing(tenant, undefined)),
  );
  await recordBatch(deps, request, { operation: 'batch-encrypt', tenantId }, rest, done);
  return { done, rest };
}

/** Returns the messages of the first texts, sealed under the default key without a context. */
function sealLists(
  deps: SealDeps & SliceDeps,
  { request: { access }, grant, frameOf }: ListWork,
  texts: ByteList,
): Promise<readonly DoneItems[]> {
  return eachChunk(deps, chunksOf(texts, CHUNK_ITEMS), grant, (list, tenant) => {
    const context = contextForSealing(tenant, undefined);
    const count = list.ends.length;
    const bytes = list.bytes.length;
    const key = dataKeyFor(tenant, undefined, undefined);
    const sealing = deps.dataKeys.forListSealing(tenant, key, bytes, count);
    if (!sealing) return undefined;
    const { contentKey, start, aad, ivs, keyId, vaultCall } = sealing;
    assertAllowed(vaultCall, { operation: 'encrypt', context, access });
    const { before, after } = frameOf(keyId);
    const frame = { before: Buffer.concat([before, Buffer.from(start, 'latin1')]), after };
    const json = contentKey.sealList({ aad, list, frame }, ivs);
    deps.countKeyUse(tenant.id, keyId, 'sealed', count);
    return { json, count, use: { keyId, vaultCall, bytes } };
  });
}
