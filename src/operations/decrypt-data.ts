import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { canonicalContext } from '../format/encryption-context.ts';
import { type Batch, eachItem, type Outcome, recordBatch, type SliceDeps } from './batch.ts';
import { type GrantDeps, openGrant, underGrant } from './granted-tenant.ts';
import { type Ciphertext, type OpenDeps, openMessage } from './open-message.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';

export interface DecryptDeps extends AuditDeps, OpenDeps, GrantDeps, SliceDeps {}

/** One message to open. */
export interface DecryptItem {
  readonly ciphertext: Ciphertext;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
}

export interface DecryptInput extends DecryptItem {
  readonly tenantId: string;
}

export interface Decrypted {
  readonly plaintext: Buffer;
  readonly keyId: string;
}

/**
 * Opens a message with the tenant's own key.
 * @throws ServiceError
 */
export async function decryptData(
  deps: DecryptDeps,
  request: AuthenticatedRequest,
  input: DecryptInput,
): Promise<Decrypted> {
  const { tenantId } = input;
  const opened = openGrant(deps, request, 'Data.Decrypt', tenantId);
  const grant = opened instanceof Promise ? await opened : opened;
  const context = canonicalContext(input.encryptionContext);
  const opening = underGrant(grant, (tenant) =>
    openMessage(deps, tenant, input.ciphertext, { operation: 'decrypt', context, access: request.access }),
  );
  const { plaintext, keyId, vaultCall, bytes } = opening instanceof Promise ? await opening : opening;
  await recordSuccess(deps, request, { operation: 'decrypt', tenantId, keyId, bytes, vaultCall }, context);
  return { plaintext, keyId };
}

/**
 * Opens many of one tenant's messages independently; those of one data key share its unwrap.
 * @throws ServiceError for a failure of the whole batch
 */
export async function decryptBatch(
  deps: DecryptDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<DecryptItem>,
): Promise<readonly Outcome<Decrypted>[]> {
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  const { access } = request;
  const outcomes = await eachItem(deps, items, grant, ({ ciphertext, encryptionContext }, tenant) => {
    const context = canonicalContext(encryptionContext);
    return openMessage(deps, tenant, ciphertext, { operation: 'decrypt', context, access });
  });
  await recordBatch(deps, request, { operation: 'batch-decrypt', tenantId }, outcomes);
  return outcomes;
}
