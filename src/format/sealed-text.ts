import { TAG_BYTES, TAG_CHARACTERS } from './aes-gcm.ts';
import { bytesOf, decodeBase64UrlInto } from './base64.ts';
import { IV_BYTES } from './iv-pool.ts';

const DOT = 0x2e;
export const IV_CHARACTERS = 16;
/** IV, tag and the two dots around the ciphertext. */
const FRAME_CHARACTERS = IV_CHARACTERS + 1 + 1 + TAG_CHARACTERS;
/** Memory that later messages of a request share. */
const SHARED_BYTES = 16 * 1_024;

/** Memory for the decoded parts of a request's messages: few buffers instead of three for each. */
export class PartMemory {
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #isFirst: boolean = true;

  /** The buffer with the bytes that were taken last. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Returns the place of so many bytes in `bytes`. A single message takes no more than its own. */
  take(length: number): number {
    if (length > this.#bytes.length - this.#end) {
      this.#bytes = Buffer.allocUnsafe(this.#isFirst ? length : Math.max(length, SHARED_BYTES));
      this.#isFirst = false;
      this.#end = 0;
    }
    this.#end += length;
    return this.#end - length;
  }
}

/** Returns what a parser makes of the text between two places of a buffer. */
export type ParseAt<T> = (text: Buffer, start: number, end: number) => T;

/** Returns the bytes of the ciphertext in `IV.CIPHERTEXT.TAG` of so many characters. */
export const ciphertextBytesIn = (characters: number): number => bytesOf(characters - FRAME_CHARACTERS);

/** Returns the bytes of IV, ciphertext and tag in `IV.CIPHERTEXT.TAG` of so many characters. */
export const sealedBytesIn = (characters: number): number => IV_BYTES + ciphertextBytesIn(characters) + TAG_BYTES;

/**
 * Decodes `IV.CIPHERTEXT.TAG`, each in canonical base64url. Returns the place in `memory.bytes` of
 * its bytes, one after the other; undefined for another form.
 */
export function decodeSealed(text: Buffer, start: number, end: number, memory: PartMemory): number | undefined {
  if (end - start < FRAME_CHARACTERS) return undefined;
  const at = memory.take(sealedBytesIn(end - start));
  return decodeSealedInto(text, start, end, memory.bytes, at) ? at : undefined;
}

/** Does the same into `bytes` from `at` on, where there is room. Returns whether the form is right. */
export function decodeSealedInto(text: Buffer, start: number, end: number, bytes: Buffer, at: number): boolean {
  const ciphertextAt = start + IV_CHARACTERS + 1;
  const tagAt = end - TAG_CHARACTERS;
  if (tagAt <= ciphertextAt || text[ciphertextAt - 1] !== DOT || text[tagAt - 1] !== DOT) return false;
  const ciphertextBytes = bytesOf(tagAt - 1 - ciphertextAt);
  return (
    decodeBase64UrlInto(text, start, ciphertextAt - 1, bytes, at) &&
    decodeBase64UrlInto(text, ciphertextAt, tagAt - 1, bytes, at + IV_BYTES) &&
    decodeBase64UrlInto(text, tagAt, end, bytes, at + IV_BYTES + ciphertextBytes)
  );
}

/**
 * Returns the bytes of a message's text, one for each UTF-16 unit. A character outside ASCII, which
 * no form has, becomes a byte outside ASCII.
 */
export function bytesOfMessage(text: string): Buffer {
  const isAscii = Buffer.byteLength(text) === text.length;
  return Buffer.from(isAscii ? text : text.replace(/[^\0-\x7f]/g, '\x80'), 'latin1');
}
