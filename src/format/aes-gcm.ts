import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import type { JsonSafe } from '../lib/json-safe.ts';

export const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/**
 * The parts of a JWE that AES-256-GCM (RFC 7518 §5.3) uses; the protected header is the additional
 * data.
 */
export interface GcmParts {
  /** The bytes of the protected header. */
  readonly aad: Buffer;
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/**
 * Returns the bytes of a protected header that stays in memory. They are outside Buffer's pool: a
 * short buffer from the pool would keep all 64 KiB of it.
 */
export function lastingAad(protectedHeader: string): Buffer {
  const bytes = Buffer.alloc(protectedHeader.length);
  bytes.write(protectedHeader, 'latin1');
  return bytes;
}

/**
 * Returns a message in JWE Compact Serialization (RFC 7516 §7.1). `iv` must be new to this key.
 * `aad` has the bytes of the protected header.
 */
export function sealGcm(
  key: KeyObject | Uint8Array,
  protectedHeader: string,
  encryptedKey: string,
  iv: Buffer,
  plaintext: Uint8Array,
  aad: Buffer = Buffer.from(protectedHeader, 'latin1'),
): JsonSafe {
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(aad);
  const ciphertext = cipher.update(plaintext).toString('base64url');
  cipher.final(); // GCM is a stream cipher: no bytes remain, the tag is made
  const tag = cipher.getAuthTag().toString('base64url');
  return `${protectedHeader}.${encryptedKey}.${iv.toString('base64url')}.${ciphertext}.${tag}` as JsonSafe; // each part is base64url
}

/**
 * Returns the plaintext, which is overwritten if the tag is wrong.
 * @throws ServiceError `undecryptable`
 */
export function openGcm(key: KeyObject | Uint8Array, { aad, iv, ciphertext, tag }: GcmParts): Buffer {
  const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES }).setAAD(aad).setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch (cause) {
    plaintext.fill(0);
    throw undecryptable(cause);
  }
  return plaintext;
}

/**
 * Returns the one failure of every step from `mac` on. It has no reason, so that it is no oracle.
 */
export function undecryptable(cause?: unknown): ServiceError {
  return new ServiceError('undecryptable', 'The ciphertext cannot be decrypted', { cause });
}
