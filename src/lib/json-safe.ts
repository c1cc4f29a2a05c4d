import { Buffer } from 'node:buffer';

declare const jsonSafe: unique symbol;

/**
 * A text without characters that JSON must escape: base64 of either alphabet, or such texts joined
 * by dots.
 */
export type JsonSafe = string & { readonly [jsonSafe]: true };

/**
 * The same as a buffer of its characters. A long text is one: as a string it would be among V8's
 * large objects, which only full collections free.
 */
export type JsonSafeBytes = Buffer & { readonly [jsonSafe]: true };

export type JsonSafeText = JsonSafe | JsonSafeBytes;

/** Longer plaintexts become texts in pieces of this size: a multiple of 3, so that pieces join. */
export const PIECE_BYTES = 48 * 1_024;

/** Returns the bytes in standard base64. */
export const base64Of = (bytes: Buffer): JsonSafe => bytes.toString('base64') as JsonSafe;

/** Returns the same, as bytes if it is long. */
export function base64TextOf(bytes: Buffer): JsonSafeText {
  if (bytes.length <= PIECE_BYTES) return base64Of(bytes);
  const text = Buffer.allocUnsafeSlow(4 * Math.ceil(bytes.length / 3));
  let at = 0;
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
    at += text.write(bytes.toString('base64', from, from + PIECE_BYTES), at, 'latin1');
  }
  return text as JsonSafeBytes;
}

/** Returns the text as a string. */
export const stringOf = (text: JsonSafeText): JsonSafe =>
  typeof text === 'string' ? text : (text.toString('latin1') as JsonSafe);
