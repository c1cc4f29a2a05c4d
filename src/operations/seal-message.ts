import type { DataKeys } from '../envelope/data-keys.ts';
import { sealJwe } from '../envelope/jwe.ts';
import type { Tenant, TenantKey } from '../tenants/tenant.ts';
import type { CountKeyUse } from './count-key-use.ts';

export interface SealDeps {
  readonly dataKeys: DataKeys;
  readonly countKeyUse: CountKeyUse;
}

export interface SealedMessage {
  readonly ciphertext: string;
  readonly keyId: string;
  readonly vaultRequestId: string;
}

/** Seals under one of the tenant's data keys. `context` is canonical. @throws ServiceError */
export async function sealMessage(
  deps: SealDeps,
  tenant: Tenant,
  key: TenantKey,
  plaintext: Buffer,
  context: Buffer | undefined,
): Promise<SealedMessage> {
  const use = await deps.dataKeys.forSealing(tenant, key, plaintext.length);
  const ciphertext = sealJwe(use.key, use.iv, plaintext, context);
  const keyId = use.key.dataKey.kid;
  deps.countKeyUse(tenant.id, keyId, 'sealed');
  return { ciphertext, keyId, vaultRequestId: use.vaultRequestId };
}
