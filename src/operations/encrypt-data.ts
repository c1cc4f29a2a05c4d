import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import { canonicalContext } from '../format/encryption-context.ts';
import type { JsonSafe } from '../lib/json-safe.ts';
import { whenReady } from '../lib/when-ready.ts';
import type { Tenant } from '../tenants/record.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { type Batch, eachItem, type Outcome, recordBatch } from './batch.ts';
import { grantedTenant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { dataKeyByAlias } from './registered-key.ts';
import { type SealDeps, sealMessage } from './seal-message.ts';

export interface EncryptDeps extends AuditDeps, SealDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly maxPlaintextBytes: number;
}

/** One message to seal. */
export interface EncryptItem {
  readonly plaintext: Buffer;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
  /** Alias; the tenant's default key without it. */
  readonly key?: string | undefined;
}

export interface EncryptInput extends EncryptItem {
  readonly tenantId: string;
}

export interface Encrypted {
  readonly ciphertext: JsonSafe;
  readonly keyId: string;
}

/** Seals a message under the tenant's own key. @throws ServiceError */
export async function encryptData(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  input: EncryptInput,
): Promise<Encrypted> {
  const tenant = await grantedTenant(deps.tenants, request.principal, 'Data.Encrypt', input.tenantId);
  const context = contextForSealing(tenant, input.encryptionContext);
  const { ciphertext, keyId, vaultCall, bytes } = await sealItem(deps, tenant, input, context);
  await recordSuccess(deps, request, { operation: 'encrypt', tenantId: tenant.id, keyId, bytes, vaultCall }, context);
  return { ciphertext, keyId };
}

/** Seals many under one tenant's keys, each for itself. @throws ServiceError for trouble of the whole */
export async function encryptBatch(
  deps: EncryptDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<EncryptItem>,
): Promise<readonly Outcome<Encrypted>[]> {
  const tenant = await grantedTenant(deps.tenants, request.principal, 'Data.Encrypt', tenantId);
  const outcomes = await eachItem(items, (item) =>
    sealItem(deps, tenant, item, contextForSealing(tenant, item.encryptionContext)),
  );
  await recordBatch(deps, request, { operation: 'batch-encrypt', tenantId }, outcomes);
  return outcomes;
}

function sealItem(deps: EncryptDeps, tenant: Tenant, { plaintext, key }: EncryptItem, context: Buffer | undefined) {
  const bytes = plaintext.length;
  assertFits(bytes, deps.maxPlaintextBytes);
  const sealing = sealMessage(deps, tenant, dataKeyByAlias(tenant, key), plaintext, context);
  return whenReady(sealing, (sealed) => ({ ...sealed, bytes }));
}

/** Names that the tenant requires are asked of new data only: what was sealed before still opens. */
export function contextForSealing(tenant: Tenant, encryptionContext: unknown): Buffer | undefined {
  const context = canonicalContext(encryptionContext);
  const isMissing = (name: string) => context === undefined || !Object.hasOwn(encryptionContext as object, name);
  const missing = tenant.requiredContext.filter(isMissing);
  if (missing.length === 0) return context;
  throw new ServiceError('malformed-request', "The encryption context lacks what the tenant's record requires", {
    errors: missing.map((name) => ({ pointer: '/encryptionContext', detail: `${name} is required` })),
  });
}

function assertFits(bytes: number, max: number): void {
  if (bytes <= max) return;
  throw new ServiceError(
    'body-too-large',
    `A plaintext may have at most ${max} bytes; POST /tenants/{tenantId}/streams/encrypt takes any size`,
    {
      errors: [{ pointer: '/plaintext', detail: `has ${bytes} bytes, at most ${max} are taken` }],
    },
  );
}
