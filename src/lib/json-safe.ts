declare const jsonSafe: unique symbol;

/**
 * A text without characters that JSON must escape: base64 of either alphabet, or such texts joined
 * by dots.
 */
export type JsonSafe = string & { readonly [jsonSafe]: true };

/** Returns the bytes in standard base64. */
export const base64Of = (bytes: Buffer): JsonSafe => bytes.toString('base64') as JsonSafe;
