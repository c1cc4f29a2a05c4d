import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import type { JsonSafeText } from '../lib/json-safe.ts';
import type { Tenant } from '../tenants/record.ts';
import { type Batch, eachItem, type Outcome, recordBatch, type SliceDeps } from './batch.ts';
import { type GrantDeps, openGrant, underGrant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyFor } from './registered-key.ts';
import { type SealDeps, sealMessage } from './seal-message.ts';
import { contextForSealing } from './sealing-context.ts';

export interface EncryptDeps extends AuditDeps, SealDeps, GrantDeps, SliceDeps {
  readonly maxPlaintextBytes: number;
}

/** One message to seal. */
export interface EncryptItem {
  readonly plaintext: Buffer;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
  /** Alias; default: the tenant's default key. */
  readonly key?: string | undefined;
}

export interface EncryptInput extends EncryptItem {
  readonly tenantId: string;
}

export interface Encrypted {
  readonly ciphertext: JsonSafeText;
  readonly keyId: string;
}

/**
 * Returns a message sealed under the tenant's own key.
 * @throws ServiceError
 */
export async function encryptData(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  input: EncryptInput,
): Promise<Encrypted> {
  const { tenantId } = input;
  const opened = openGrant(deps, request, 'Data.Encrypt', tenantId);
  const grant = opened instanceof Promise ? await opened : opened;
  const context = contextForSealing(grant.tenant, input.encryptionContext);
  const sealing = underGrant(grant, (tenant) => sealItem(deps, request, tenant, input, context));
  const { ciphertext, keyId, vaultCall, bytes } = sealing instanceof Promise ? await sealing : sealing;
  await recordSuccess(deps, request, { operation: 'encrypt', tenantId, keyId, bytes, vaultCall }, context);
  return { ciphertext, keyId };
}

/**
 * Seals many messages under one tenant's keys, independently.
 * @throws ServiceError for a failure of the whole batch
 */
export async function encryptBatch(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<EncryptItem>,
): Promise<readonly Outcome<Encrypted>[]> {
  const grant = await openGrant(deps, request, 'Data.Encrypt', tenantId);
  const outcomes = await eachItem(deps, items, grant, (item, tenant) =>
    sealItem(deps, request, tenant, item, contextForSealing(tenant, item.encryptionContext)),
  );
  await recordBatch(deps, request, { operation: 'batch-encrypt', tenantId }, outcomes);
  return outcomes;
}

/**
 * Returns the sealed item; `context` is canonical.
 * @throws ServiceError
 */
export function sealItem(
  deps: EncryptDeps,
  { access }: AuthenticatedRequest,
  tenant: Tenant,
  { plaintext, key, encryptionContext }: EncryptItem,
  context: Buffer | undefined,
) {
  assertFits(plaintext.length, deps.maxPlaintextBytes);
  return sealMessage(deps, tenant, dataKeyFor(tenant, key, encryptionContext), plaintext, {
    operation: 'encrypt',
    context,
    access,
  });
}

function assertFits(bytes: number, max: number): void {
  if (bytes <= max) return;
  throw new ServiceError(
    'body-too-large',
    `A plaintext may have at most ${max} bytes; POST /tenants/{tenantId}/streams/encrypt accepts any size`,
    {
      errors: [{ pointer: '/plaintext', detail: `has ${bytes} bytes, more than ${max}` }],
    },
  );
}
