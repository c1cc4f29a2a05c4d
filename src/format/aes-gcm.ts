import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import { type JsonSafe, type JsonSafeBytes, type JsonSafeText, PIECE_BYTES } from '../lib/json-safe.ts';
import { releaseMemory } from '../lib/memory.ts';
import { answerFor, type ByteList, fillAnswer, type ItemFrame, textsFor } from './byte-list.ts';
import { IV_BYTES } from './iv-pool.ts';

export const TAG_BYTES = 16;
/** Bytes of a message's IV, ciphertext and tag that its plaintext does not have. */
export const SEALED_BYTES = IV_BYTES + TAG_BYTES;
/** Characters of a tag in base64url. */
export const TAG_CHARACTERS = 22;
const CIPHER = 'aes-256-gcm';
/** Characters of a message's last three segments without the ciphertext: IV, tag and two dots. */
const FRAME_CHARACTERS = 16 + 1 + 1 + TAG_CHARACTERS;
const OPENING = { authTagLength: TAG_BYTES } as const;

/**
 * The parts of a JWE that AES-256-GCM (RFC 7518 §5.3) uses; the protected header is the additional
 * data. IV, ciphertext and tag follow one another in `bytes`, which other messages share.
 */
export interface GcmParts {
  /** The bytes of the protected header. */
  readonly aad: Buffer;
  readonly bytes: Buffer;
  /** Place of the IV. */
  readonly at: number;
  readonly ciphertextBytes: number;
}

/** Short plaintexts that one key seals, or sealed messages that it opens. All have one header. */
export interface GcmSource {
  readonly aad: Buffer;
  /** Plaintexts, or IV, ciphertext and tag of each message. */
  readonly list: ByteList;
}

/** The same with the JSON around each result. */
export interface GcmList extends GcmSource {
  readonly frame: ItemFrame;
}

/** A key of AES-256-GCM. Its bytes do not leave it. */
export interface GcmKey {
  /** Returns `IV.CIPHERTEXT.TAG`, each in base64url. `iv` has 12 bytes and is new to this key. */
  seal(aad: Buffer, iv: Buffer, plaintext: Uint8Array): string;
  /** Returns `start` and the same as bytes, for a long plaintext. */
  sealLong(start: string, aad: Buffer, iv: Buffer, plaintext: Uint8Array): Buffer;
  /** Returns the plaintext, or undefined if the tag is wrong. */
  open(parts: GcmParts): Buffer | undefined;
  /**
   * Returns the JSON of items with the sealed messages, as `seal` returns them. `ivs` has an IV for
   * each plaintext.
   */
  sealList(list: GcmList, ivs: Buffer): Buffer;
  /** Returns the JSON of items with the plaintexts in base64, or undefined if any tag is wrong. */
  openList(list: GcmList): Buffer | undefined;
  /** Returns the plaintexts, which the caller overwrites, or undefined if any tag is wrong. */
  openAll(list: GcmSource): ByteList | undefined;
  /**
   * Overwrites a key of one use. A lasting key is overwritten when the garbage collector drops it.
   */
  release(): void;
}

/** Returns the characters of `IV.CIPHERTEXT.TAG` for so many bytes of plaintext. */
export const sealedCharacters = (bytes: number): number => FRAME_CHARACTERS + Math.ceil((bytes * 4) / 3);
/** Returns the characters of base64 for the plaintext of so many bytes of IV, ciphertext and tag. */
export const openedCharacters = (bytes: number): number => 4 * Math.ceil((bytes - IV_BYTES - TAG_BYTES) / 3);

/** An implementation of AES-256-GCM. All give the same bytes and the same refusals. */
export interface Gcm {
  readonly name: 'javascript' | 'native';
  /** Returns a lasting key with a copy of 32 bytes, which the caller overwrites. */
  lastingKey(bytes: Uint8Array): GcmKey;
  /** Returns a key of one use, which takes over 32 bytes. */
  keyOfOneUse(bytes: Buffer): GcmKey;
}

/** AES-256-GCM by node:crypto: the reference, and the implementation of every platform. */
export const javascriptGcm: Gcm = {
  name: 'javascript',
  lastingKey: (bytes) => new NodeKey(createSecretKey(bytes)),
  keyOfOneUse: (bytes) => new NodeKey(bytes),
};

class NodeKey implements GcmKey {
  readonly #key: KeyObject | Buffer;

  constructor(key: KeyObject | Buffer) {
    this.#key = key;
  }

  seal(aad: Buffer, iv: Buffer, plaintext: Uint8Array): string {
    const cipher = createCipheriv(CIPHER, this.#key, iv).setAAD(aad);
    const ciphertext = cipher.update(plaintext).toString('base64url');
    cipher.final(); // GCM is a stream cipher: no bytes remain, the tag is made
    return `${iv.toString('base64url')}.${ciphertext}.${cipher.getAuthTag().toString('base64url')}`;
  }

  sealLong(start: string, aad: Buffer, iv: Buffer, plaintext: Uint8Array): Buffer {
    const cipher = createCipheriv(CIPHER, this.#key, iv).setAAD(aad);
    const before = `${start}${iv.toString('base64url')}.`;
    const message = Buffer.allocUnsafeSlow(before.length + Math.ceil((plaintext.length * 4) / 3) + 1 + TAG_CHARACTERS);
    let at = message.write(before, 'latin1');
    for (let from = 0; from < plaintext.length; from += PIECE_BYTES) {
      const piece = cipher.update(plaintext.subarray(from, from + PIECE_BYTES));
      at += message.write(piece.toString('base64url'), at, 'latin1');
      releaseMemory(piece); // so that the next piece uses the same memory, which is in the processor's cache
    }
    cipher.final();
    message.write(`.${cipher.getAuthTag().toString('base64url')}`, at, 'latin1');
    return message;
  }

  open({ aad, bytes, at, ciphertextBytes }: GcmParts): Buffer | undefined {
    const ciphertextAt = at + IV_BYTES;
    const tagAt = ciphertextAt + ciphertextBytes;
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(at, ciphertextAt), OPENING)
      .setAAD(aad)
      .setAuthTag(bytes.subarray(tagAt, tagAt + TAG_BYTES));
    const plaintext = decipher.update(bytes.subarray(ciphertextAt, tagAt));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      return undefined;
    }
    return plaintext;
  }

  sealList({ aad, list, frame }: GcmList, ivs: Buffer): Buffer {
    const answer = answerFor(list, frame, sealedCharacters);
    fillAnswer(answer, list, frame, (start, end, n) =>
      this.seal(aad, ivs.subarray(n * IV_BYTES, (n + 1) * IV_BYTES), list.bytes.subarray(start, end)),
    );
    return answer;
  }

  openList({ aad, list, frame }: GcmList): Buffer | undefined {
    const { bytes } = list;
    const answer = answerFor(list, frame, openedCharacters);
    const isOpen = fillAnswer(answer, list, frame, (at, end) =>
      this.open({ aad, bytes, at, ciphertextBytes: end - at - IV_BYTES - TAG_BYTES })?.toString('base64'),
    );
    if (isOpen) return answer;
    answer.fill(0);
    return undefined;
  }

  openAll({ aad, list }: GcmSource): ByteList | undefined {
    const texts = textsFor(list, SEALED_BYTES);
    let at = 0;
    for (const [n, end] of texts.ends.entries()) {
      const text = this.open({ aad, bytes: list.bytes, at: at + n * SEALED_BYTES, ciphertextBytes: end - at });
      if (!text) {
        texts.bytes.fill(0);
        return undefined;
      }
      texts.bytes.set(text, at);
      text.fill(0);
      at = end;
    }
    return texts;
  }

  release(): void {
    if (Buffer.isBuffer(this.#key)) this.#key.fill(0);
  }
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
 * `start` is its text before the IV, `aad` has the bytes of the protected header.
 */
export function sealGcm(key: GcmKey, start: string, aad: Buffer, iv: Buffer, plaintext: Uint8Array): JsonSafeText {
  return plaintext.length > PIECE_BYTES
    ? (key.sealLong(start, aad, iv, plaintext) as JsonSafeBytes)
    : ((start + key.seal(aad, iv, plaintext)) as JsonSafe);
}

/**
 * Returns the plaintext.
 * @throws ServiceError `undecryptable`
 */
export function openGcm(key: GcmKey, parts: GcmParts): Buffer {
  const plaintext = key.open(parts);
  if (!plaintext) throw undecryptable();
  return plaintext;
}

/**
 * Returns the one failure of every step from `mac` on. It has no reason, so that it is no oracle.
 */
export function undecryptable(cause?: unknown): ServiceError {
  return new ServiceError('undecryptable', 'The ciphertext cannot be decrypted', { cause });
}
