import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import { copied } from '../lib/memory.ts';
import type { Gcm, GcmKey } from './aes-gcm.ts';
import type { KekRef } from './kek-ref.ts';
import type { WrapAlgorithm } from './wrap-algorithms.ts';

export const DATA_KEY_BYTES = 32;
const OKM_BYTES = 64;
const HKDF_INFO = 'vaultspan 1';
const MAC_BYTES = 16;

/** A data key as it is stored: wrapped, with the key version that unwraps it. */
export interface WrappedDataKey {
  /** The registered key in the version that `kid` names. This one is used at the vault. */
  readonly kek: KekRef;
  readonly algorithm: WrapAlgorithm;
  /** As in the header. */
  readonly kid: string;
  readonly tenantId: string;
  /** Canonical base64url. */
  readonly encryptedKey: string;
}

/**
 * A data key ready for use. Its bytes are outside JavaScript's memory only, where they are
 * overwritten when the key is collected.
 */
export interface DataKey extends WrappedDataKey {
  readonly cek: GcmKey;
  /** Kc: the key of the HMAC of encryption contexts. */
  readonly contextKey: KeyObject;
  /** base64url of the 32 bytes that commit a ciphertext to this one key; AES-GCM alone does not. */
  readonly commitment: string;
}

/**
 * Returns the data key of these bytes, which it takes over and overwrites. OKM = HKDF-SHA256(CEK,
 * no salt, "vaultspan 1", 64 bytes): the first half commits to the key, the second is Kc.
 */
export function dataKeyFrom(gcm: Gcm, bytes: Uint8Array, wrapped: WrappedDataKey): DataKey {
  const okm = okmOf(bytes);
  const kc = okm.subarray(DATA_KEY_BYTES);
  try {
    return {
      kek: wrapped.kek,
      algorithm: wrapped.algorithm,
      kid: wrapped.kid,
      tenantId: wrapped.tenantId,
      encryptedKey: copied(wrapped.encryptedKey),
      cek: gcm.lastingKey(bytes),
      contextKey: createSecretKey(kc),
      commitment: okm.toString('base64url', 0, DATA_KEY_BYTES),
    };
  } finally {
    bytes.fill(0);
    kc.fill(0);
  }
}

/** Returns what `commitment` is for a data key of these bytes, which stay as they are. */
export function commitmentOf(bytes: Uint8Array): string {
  const okm = okmOf(bytes);
  const commitment = okm.toString('base64url', 0, DATA_KEY_BYTES);
  okm.fill(0);
  return commitment;
}

const okmOf = (bytes: Uint8Array): Buffer => Buffer.from(hkdfSync('sha256', bytes, '', HKDF_INFO, OKM_BYTES));

/**
 * Returns the `mac` of a header, the proof that this service made the data key: anyone can wrap one
 * with a public key. No field can contain a line feed, so two different sets of fields never give
 * the same text.
 */
export function originMac(originKey: KeyObject, wrapped: WrappedDataKey): string {
  return macBytes(originKey, wrapped).toString('base64url');
}

/** Returns whether `mac` was made with one of the origin keys; compared in constant time. */
export function isOriginMac(originKeys: readonly KeyObject[], wrapped: WrappedDataKey, mac: string): boolean {
  const given = Buffer.from(mac, 'base64url');
  return given.length === MAC_BYTES && originKeys.some((key) => timingSafeEqual(macBytes(key, wrapped), given));
}

function macBytes(originKey: KeyObject, wrapped: WrappedDataKey): Buffer {
  return createHmac('sha256', originKey)
    .update(`vaultspan 1\n${wrapped.algorithm}\n${wrapped.kid}\n${wrapped.tenantId}\n${wrapped.encryptedKey}`)
    .digest()
    .subarray(0, MAC_BYTES);
}
