declare const jsonSafe: unique symbol;

/** A text in which JSON has nothing to escape: base64 of either alphabet, or such texts joined by dots. */
export type JsonSafe = string & { readonly [jsonSafe]: true };

/** Returns the bytes in standard base64. */
export const base64Of = (bytes: Buffer): JsonSafe => bytes.toString('base64') as JsonSafe;
