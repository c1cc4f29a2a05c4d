import { Buffer } from 'node:buffer';

/**
 * Bytes of canonical base64url (RFC 4648 §5: no padding, no whitespace, spare bits zero), or undefined.
 *
 * Node's own decoders are laxer: Buffer skips what it doesn't know, and `Uint8Array.fromBase64` skips whitespace and
 * ignores spare bits; either would make ciphertexts malleable. Whatever is skipped leaves fewer bytes than the text's
 * length promises, so one comparison of lengths finds it without a regular expression over a long string.
 */
export function decodeBase64Url(text: string): Buffer | undefined {
  return decode(text, 'base64url', URL_SAFE);
}

/** Bytes of standard or url-safe base64, one alphabet per value, padding optional, otherwise canonical; or undefined. */
export function decodeAnyBase64(text: string): Buffer | undefined {
  const unpadded = text.endsWith('=') ? withoutPadding(text) : text;
  if (unpadded === undefined) return undefined;
  return text.includes('-') || text.includes('_')
    ? decode(unpadded, 'base64url', URL_SAFE)
    : decode(unpadded, 'base64', STANDARD);
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function decode(text: string, alphabet: 'base64' | 'base64url', letters: string): Buffer | undefined {
  const rest = text.length % 4;
  if (rest === 1) return undefined;
  if (rest !== 0) {
    const spareBits = rest === 2 ? 0b1111 : 0b11;
    if ((letters.indexOf(text.charAt(text.length - 1)) & spareBits) !== 0) return undefined;
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(text, { alphabet });
  } catch {
    return undefined; // a character of neither alphabet
  }
  if (bytes.length !== Math.floor((text.length * 3) / 4)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function withoutPadding(text: string): string | undefined {
  if (text.length % 4 !== 0) return undefined;
  return text.endsWith('==') ? text.slice(0, -2) : text.slice(0, -1);
}
