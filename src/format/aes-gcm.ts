import { type CipherGCM, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import type { LongText } from '../lib/json-safe.ts';

export const TAG_BYTES = 16;
const TAG_CHARACTERS = 22;
const CIPHER = 'aes-256-gcm';
/** Plaintexts up to this size are sealed in one piece, which is faster while its strings die young. */
const MAX_WHOLE = 256 * 1_024;
/** A multiple of 3, so that base64 of the pieces joins. */
const PIECE = 24 * 1_024;

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
): LongText {
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(aad);
  const start = `${protectedHeader}.${encryptedKey}.${iv.toString('base64url')}.`;
  if (plaintext.length > MAX_WHOLE) return sealInPieces(cipher, start, plaintext);
  const ciphertext = cipher.update(plaintext).toString('base64url');
  return `${start}${ciphertext}${endOf(cipher)}` as LongText; // each part is base64url
}

/** Returns the bytes of the message: none of its parts becomes a large string. */
function sealInPieces(cipher: CipherGCM, start: string, plaintext: Uint8Array): LongText {
  const text = Buffer.allocUnsafe(start.length + Math.ceil((plaintext.length * 4) / 3) + TAG_CHARACTERS + 1);
  let at = text.write(start, 'latin1');
  for (let from = 0; from < plaintext.length; from += PIECE) {
    const piece = cipher.update(plaintext.subarray(from, from + PIECE));
    at += text.write(piece.toString('base64url'), at, 'latin1');
  }
  text.write(endOf(cipher), at, 'latin1');
  return text as LongText;
}

function endOf(cipher: CipherGCM): string {
  cipher.final(); // GCM is a stream cipher: no bytes remain, the tag is made
  return `.${cipher.getAuthTag().toString('base64url')}`;
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
