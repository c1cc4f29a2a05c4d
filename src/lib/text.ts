/**
 * Returns the text of a file that should be UTF-8, with or without a byte order mark.
 * @throws Error that names the actual encoding
 */
export function decodeText(bytes: Uint8Array): string {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (isUtf16 || bytes.includes(0)) throw new Error('is UTF-16 or binary: save it as UTF-8 text');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('is not UTF-8: save it as UTF-8 text');
  }
}

/** Returns the text for comparisons that ignore case and the way in which characters are encoded. */
export const foldText = (text: string): string => text.normalize('NFKC').toLowerCase();
