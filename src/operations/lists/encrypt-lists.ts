import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { ByteList } from '../../format/byte-list.ts';
import { assertAllowed, type PolicedUse, type ProofOfAccess } from '../../keyring/policy/assert-allowed.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import { type DoneItems, eachItem, recordBatch, type SliceDeps } from '../batch.ts';
import { type EncryptDeps, type Encrypted, type EncryptItem, sealItem } from '../encrypt-data.ts';
import { openGrant } from '../granted-tenant.ts';
import { dataKeyFor } from '../registered-key.ts';
import type { SealDeps } from '../seal-message.ts';
import { contextForSealing } from '../sealing-context.ts';
import { chunksIn, eachChunk, itemsAfter, type ListBatch, type ListResult, type ListWork } from './lists.ts';

/** Items with short plaintexts that have all else in common. */
export interface TextRun extends Omit<EncryptItem, 'plaintext'> {
  readonly list: ByteList;
}

/**
 * Does the same for lists. Their items are sealed together where they can be.
 * @throws ServiceError for a failure of the whole batch
 */
export async function encryptLists(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  batch: ListBatch<EncryptItem, TextRun>,
): Promise<ListResult<Encrypted>> {
  const { tenantId, runs } = batch;
  const grant = await openGrant(deps, request, 'Data.Encrypt', tenantId);
  const done = await sealLists(deps, { ...batch, request, grant }, runs);
  const rest = await eachItem(deps, itemsAfter(done, batch), grant, (item, tenant) =>
    sealItem(deps, request, tenant, item, contextForSealing(tenant, item.encryptionContext)),
  );
  await recordBatch(deps, request, { operation: 'batch-encrypt', tenantId }, rest, done);
  return { done, rest };
}

/** Returns the messages of the first texts. */
function sealLists(
  deps: SealDeps & SliceDeps,
  work: ListWork,
  runs: readonly TextRun[],
): Promise<readonly DoneItems[]> {
  const { request, frameOf } = work;
  return eachChunk(deps, work, chunksIn(runs), ({ list, key: alias, encryptionContext }, tenant) => {
    const context = contextForSealing(tenant, encryptionContext);
    const key = dataKeyFor(tenant, alias, encryptionContext);
    const sealed = sealList(deps, tenant, key, list, { context, access: request.access, frameOf });
    if (!sealed) return undefined;
    const { json, keyId, vaultCall } = sealed;
    deps.countKeyUse(tenant.id, keyId, 'sealed', list.ends.length);
    return { json, count: list.ends.length, use: { keyId, vaultCall, bytes: list.bytes.length } };
  });
}

/** The context is canonical. */
interface ListAbout extends Pick<ListWork, 'frameOf'>, Pick<PolicedUse, 'access'> {
  readonly context: Buffer | undefined;
}

/**
 * Returns the JSON of the sealed texts, or undefined unless one key may seal them all at once. The
 * caller counts the key's use.
 * @throws ServiceError `policy-refused`
 */
export function sealList(
  { dataKeys }: Pick<SealDeps, 'dataKeys'>,
  tenant: Tenant,
  key: RegisteredKey,
  list: ByteList,
  { context, access, frameOf }: ListAbout,
): { readonly json: Buffer; readonly keyId: string; readonly vaultCall: ProofOfAccess | undefined } | undefined {
  const sealing = dataKeys.forListSealing(tenant, key, {
    messages: list.ends.length,
    bytes: list.bytes.length,
    context,
    assertAllowed: (proof) => assertAllowed(proof, { operation: 'encrypt', context, access }),
  });
  if (!sealing) return undefined;
  const { contentKey, start, aad, ivs, keyId, vaultCall } = sealing;
  const { before, after } = frameOf(keyId);
  const frame = { before: Buffer.concat([before, Buffer.from(start, 'latin1')]), after };
  try {
    return { json: contentKey.sealList({ aad, list, frame }, ivs), keyId, vaultCall };
  } finally {
    contentKey.release();
  }
}
