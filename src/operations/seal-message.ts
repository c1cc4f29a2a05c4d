import type { VaultCallIds } from '../errors.ts';
import { JWE_TYPES, type LeafUse, sealCompact } from '../format/compact.ts';
import { type SealingKey, sealJwe } from '../format/jwe.ts';
import { headerTemplate } from '../format/jwe-header.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { MintedSealingKey } from '../keyring/minted-key.ts';
import { assertAllowed, type PolicedUse } from '../keyring/policy/assert-allowed.ts';
import type { JsonSafeText } from '../lib/json-safe.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import type { CountKeyUse } from '../tenants/key-usage.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';

export interface SealDeps {
  readonly dataKeys: DataKeys;
  readonly countKeyUse: CountKeyUse;
}

/** Has what the audit record of a batch needs too, so that an item has one object. */
export interface SealedMessage {
  readonly ciphertext: JsonSafeText;
  readonly keyId: string;
  readonly vaultCall: VaultCallIds | undefined;
  /** Size of the plaintext. */
  readonly bytes: number;
  /** The end of the proof of access: monotonic milliseconds. */
  readonly accessEndsAt: number;
}

/**
 * Returns a message sealed in the form that the key's record defines, if the customer's policy on
 * the key allows this use.
 * @throws ServiceError
 */
export function sealMessage(
  deps: SealDeps,
  tenant: Tenant,
  key: RegisteredKey,
  plaintext: Buffer,
  about: PolicedUse,
  use: LeafUse = 'message',
): Soon<SealedMessage> {
  if (key.form !== 'compact') return sealSelfContained(deps, tenant, key, plaintext, about, use);
  const leaf = deps.dataKeys.forCompactSealing(tenant, key, use, plaintext.length, about.context);
  return whenReady(leaf, (ready) => {
    if (!ready) return sealSelfContained(deps, tenant, key, plaintext, about, use);
    const { contentKey, header, iv, keyId, vaultCall, accessEndsAt } = ready;
    try {
      assertAllowed(vaultCall, about);
      const ciphertext = sealCompact(contentKey, header, iv, plaintext);
      deps.countKeyUse(tenant.id, keyId, 'sealed');
      return { ciphertext, keyId, vaultCall, bytes: plaintext.length, accessEndsAt };
    } finally {
      contentKey.release();
    }
  });
}

function sealSelfContained(
  deps: SealDeps,
  tenant: Tenant,
  key: RegisteredKey,
  plaintext: Buffer,
  about: PolicedUse,
  leafUse: LeafUse,
): Soon<SealedMessage> {
  return whenReady(deps.dataKeys.forSealing(tenant, key, plaintext.length), (use) => {
    assertAllowed(use.vaultCall, about);
    const ciphertext = sealJwe(keyFor(use.key, leafUse), use.iv, plaintext, about.context);
    const keyId = use.key.dataKey.kid;
    deps.countKeyUse(tenant.id, keyId, 'sealed');
    return { ciphertext, keyId, vaultCall: use.vaultCall, bytes: plaintext.length, accessEndsAt: use.accessEndsAt };
  });
}

/**
 * Returns the key with its header. A data key caches the header of messages; a stream is rare and
 * large enough to have its own made.
 */
const keyFor = (key: MintedSealingKey, use: LeafUse): SealingKey =>
  use === 'message' ? key : { dataKey: key.dataKey, header: headerTemplate(key.dataKey, key.mac, JWE_TYPES[use]) };
