declare const jsonSafe: unique symbol;

/**
 * A text without characters that JSON must escape: base64 of either alphabet, or such texts joined
 * by dots.
 */
export type JsonSafe = string & { readonly [jsonSafe]: true };

/** Returns the bytes in standard base64. */
export const base64Of = (bytes: Buffer): JsonSafe => bytes.toString('base64') as JsonSafe;

/** The bytes of such a text. */
type JsonSafeBytes = Buffer & { readonly [jsonSafe]: true };

/**
 * A text that may be long. As a string, a megabyte would be copied whenever it is joined to
 * another, and its place would be cleared by a full collection only.
 */
export type LongText = JsonSafe | JsonSafeBytes;

export const textOf = (text: LongText): JsonSafe =>
  typeof text === 'string' ? text : (text.toString('latin1') as JsonSafe);
