import type { VaultCallIds } from '../errors.ts';
import { type SealingKey, sealJwe } from '../format/jwe.ts';
import { headerTemplate, type JweType } from '../format/jwe-header.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { MintedSealingKey } from '../keyring/minted-key.ts';
import type { JsonSafe } from '../lib/json-safe.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import type { CountKeyUse } from '../tenants/key-usage.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';

export interface SealDeps {
  readonly dataKeys: DataKeys;
  readonly countKeyUse: CountKeyUse;
}

export interface SealedMessage {
  readonly ciphertext: JsonSafe;
  readonly keyId: string;
  readonly vaultCall: VaultCallIds | undefined;
  /** When the proof of access ends: monotonic milliseconds. */
  readonly accessEndsAt: number;
}

/** Seals under one of the tenant's data keys. `context` is canonical. @throws ServiceError */
export function sealMessage(
  deps: SealDeps,
  tenant: Tenant,
  key: RegisteredKey,
  plaintext: Buffer,
  context: Buffer | undefined,
  typ: JweType = 'vaultspan+jwe',
): Soon<SealedMessage> {
  return whenReady(deps.dataKeys.forSealing(tenant, key, plaintext.length), (use) => {
    const ciphertext = sealJwe(keyOfType(use.key, typ), use.iv, plaintext, context);
    const keyId = use.key.dataKey.kid;
    deps.countKeyUse(tenant.id, keyId, 'sealed');
    return { ciphertext, keyId, vaultCall: use.vaultCall, accessEndsAt: use.accessEndsAt };
  });
}

/** A data key keeps the header of messages at hand; a stream is rare and large enough to have its own made. */
const keyOfType = (key: MintedSealingKey, typ: JweType): SealingKey =>
  typ === 'vaultspan+jwe' ? key : { dataKey: key.dataKey, header: headerTemplate(key.dataKey, key.mac, typ) };
