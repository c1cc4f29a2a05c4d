import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { type GcmKey, SEALED_BYTES } from '../../format/aes-gcm.ts';
import { canonicalContext } from '../../format/encryption-context.ts';
import { assertKeyAndContext } from '../../format/jwe.ts';
import { isCompactMessage, type Message } from '../../format/message.ts';
import type { MessageRun } from '../../format/message-runs.ts';
import { assertAllowed, type PolicedUse, type ProofOfAccess } from '../../keyring/policy/assert-allowed.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type DoneItems, eachItem, recordBatch, type SliceDeps } from '../batch.ts';
import type { DecryptDeps, Decrypted, DecryptItem } from '../decrypt-data.ts';
import { openGrant } from '../granted-tenant.ts';
import { kekOf, type OpenDeps, openMessage } from '../open-message.ts';
import { atOnce, chunksIn, eachChunk, itemsAfter, type ListBatch, type ListResult, type ListWork } from './lists.ts';

/** Items with short messages that have all else in common, the header and the key too. */
export interface SealedRun extends Omit<DecryptItem, 'ciphertext'>, MessageRun {}

/**
 * Does the same for lists. Their messages are opened together where they can be.
 * @throws ServiceError for a failure of the whole batch
 */
export async function decryptLists(
  deps: DecryptDeps,
  request: AuthenticatedRequest,
  batch: ListBatch<DecryptItem, SealedRun>,
): Promise<ListResult<Decrypted>> {
  const { tenantId, runs } = batch;
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const { access } = request;
  const done = await openLists(deps, { ...batch, request, grant }, runs);
  const rest = await eachItem(deps, itemsAfter(done, batch), grant, ({ ciphertext, encryptionContext }, tenant) =>
    openMessage(deps, tenant, ciphertext, {
      operation: 'decrypt',
      context: canonicalContext(encryptionContext),
      access,
    }),
  );
  await recordBatch(deps, request, { operation: 'batch-decrypt', tenantId }, rest, done);
  return { done, rest };
}

/** Returns the plaintexts of the first messages. */
function openLists(
  deps: OpenDeps & SliceDeps,
  work: ListWork,
  runs: readonly SealedRun[],
): Promise<readonly DoneItems[]> {
  const { request, frameOf } = work;
  return eachChunk(deps, work, chunksIn(runs), ({ first, list, encryptionContext }, tenant) => {
    const context = canonicalContext(encryptionContext);
    const about = { operation: 'decrypt', context, access: request.access } as const;
    const count = list.ends.length;
    return openList(deps, tenant, { first, list }, about, ({ contentKey, keyId, vaultCall }) => {
      const json = contentKey.openList({ aad: first.aad, list, frame: frameOf(keyId) });
      if (!json) return undefined;
      deps.countKeyUse(tenant.id, keyId, 'opened', count);
      return { json, count, use: { keyId, vaultCall, bytes: list.bytes.length - count * SEALED_BYTES } };
    });
  });
}

/** The key that opens messages with one header. */
interface ListOpening {
  readonly contentKey: GcmKey;
  readonly keyId: string;
  readonly vaultCall: ProofOfAccess | undefined;
}

/**
 * Returns what `open` makes of the key of a run, or undefined if a call is necessary for the key.
 * The caller counts the key's use.
 * @throws ServiceError as `openMessage`
 */
export function openList<T>(
  deps: Pick<OpenDeps, 'dataKeys'>,
  tenant: Tenant,
  { first, list }: MessageRun,
  about: PolicedUse,
  open: (opening: ListOpening) => T | undefined,
): T | undefined {
  const opening = openingOf(deps, tenant, first, list.ends.length, about.context);
  if (!opening) return undefined;
  try {
    assertAllowed(opening.vaultCall, about);
    return open(opening);
  } finally {
    opening.contentKey.release();
  }
}

/** Returns the key of messages that share the header of `first`, unless a call is necessary. */
function openingOf(
  { dataKeys }: Pick<OpenDeps, 'dataKeys'>,
  tenant: Tenant,
  first: Message,
  count: number,
  context: Buffer | undefined,
): ListOpening | undefined {
  if (isCompactMessage(first)) return atOnce(dataKeys.forCompactOpening(tenant, first, 'message', context));
  const use = atOnce(dataKeys.forOpening(tenant, first, kekOf, count));
  if (!use) return undefined;
  const { dataKey, vaultCall } = use;
  assertKeyAndContext(dataKey, first, context);
  return { contentKey: dataKey.cek, keyId: dataKey.kid, vaultCall };
}
