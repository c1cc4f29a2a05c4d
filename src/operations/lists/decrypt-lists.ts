import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { TAG_BYTES } from '../../format/aes-gcm.ts';
import { chunksOf } from '../../format/byte-list.ts';
import { IV_BYTES } from '../../format/iv-pool.ts';
import { assertKeyAndContext } from '../../format/jwe.ts';
import { isCompactMessage, type Message } from '../../format/message.ts';
import type { MessageRun } from '../../format/message-runs.ts';
import { assertAllowed } from '../../keyring/policy/assert-allowed.ts';
import type { Soon } from '../../lib/when-ready.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type Batch, type DoneItems, eachItem, recordBatch, type SliceDeps } from '../batch.ts';
import type { DecryptDeps, Decrypted, DecryptItem } from '../decrypt-data.ts';
import { openGrant } from '../granted-tenant.ts';
import { kekOf, type OpenDeps, openMessage } from '../open-message.ts';
import { CHUNK_ITEMS, eachChunk, type FrameOf, itemsAfter, type ListResult, type ListWork } from './lists.ts';

/** A batch whose items have a short message and nothing else. */
export interface MessageBatch extends Pick<Batch<DecryptItem>, 'tenantId'> {
  readonly runs: readonly MessageRun[];
  readonly frameOf: FrameOf;
  /** Returns the same items for themselves. */
  readonly items: () => Batch<DecryptItem>['items'];
}

/**
 * Does the same for lists. Their messages are opened together where they can be.
 * @throws ServiceError for a failure of the whole batch
 */
export async function decryptLists(
  deps: DecryptDeps,
  request: AuthenticatedRequest,
  { tenantId, runs, frameOf, items }: MessageBatch,
): Promise<ListResult<Decrypted>> {
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const { access } = request;
  const done = await openLists(deps, { request, grant, frameOf }, runs);
  const count = runs.reduce((sum, { list }) => sum + list.ends.length, 0);
  const rest = await eachItem(deps, itemsAfter(done, count, items), grant, ({ ciphertext }, tenant) =>
    openMessage(deps, tenant, ciphertext, { operation: 'decrypt', context: undefined, access }),
  );
  await recordBatch(deps, request, { operation: 'batch-decrypt', tenantId }, rest, done);
  return { done, rest };
}

/** Returns the plaintexts of the first messages, which have no context. */
function openLists(
  deps: OpenDeps & SliceDeps,
  { request: { access }, grant, frameOf }: ListWork,
  runs: readonly MessageRun[],
): Promise<readonly DoneItems[]> {
  const chunks = runs.flatMap(({ first, list }) => chunksOf(list, CHUNK_ITEMS).map((some) => ({ first, list: some })));
  return eachChunk(deps, chunks, grant, ({ first, list }, tenant) => {
    const count = list.ends.length;
    const opening = openingOf(deps, tenant, first, count);
    if (!opening) return undefined;
    const { contentKey, keyId, vaultCall } = opening;
    assertAllowed(vaultCall, { operation: 'decrypt', context: undefined, access });
    const json = contentKey.openList({ aad: first.aad, list, frame: frameOf(keyId) });
    if (!json) return undefined;
    deps.countKeyUse(tenant.id, keyId, 'opened', count);
    const bytes = list.bytes.length - count * (IV_BYTES + TAG_BYTES);
    return { json, count, use: { keyId, vaultCall, bytes } };
  });
}

/** Returns the key of messages that share the header of `first`, unless a call is necessary. */
function openingOf({ dataKeys }: OpenDeps, tenant: Tenant, first: Message, count: number) {
  if (isCompactMessage(first)) return atOnce(dataKeys.forCompactOpening(tenant, first, 'message', undefined));
  const use = atOnce(dataKeys.forOpening(tenant, first, kekOf, count));
  if (!use) return undefined;
  const { dataKey, vaultCall } = use;
  assertKeyAndContext(dataKey, first, undefined);
  return { contentKey: dataKey.cek, keyId: dataKey.kid, vaultCall };
}

/** Returns the value if there is no wait. The later use of each item waits for the same call. */
function atOnce<T>(value: Soon<T>): T | undefined {
  if (!(value instanceof Promise)) return value;
  value.catch(() => undefined); // the items get the failure
  return undefined;
}
