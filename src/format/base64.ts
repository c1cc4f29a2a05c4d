import { Buffer } from 'node:buffer';

/**
 * Returns the bytes of canonical base64url (RFC 4648 §5: no padding, no whitespace, spare bits
 * zero), or undefined. Node's own decoders are more lenient. Buffer skips unknown characters and
 * reads both alphabets at once, which would make ciphertexts malleable. A skipped character leaves
 * fewer bytes than the text's length implies. So comparing lengths finds it without a regular
 * expression over a long string. No decoder is faster than Buffer's.
 */
export function decodeBase64Url(text: string): Buffer | undefined {
  return text.includes('+') || text.includes('/') ? undefined : decode(text, 'base64url', URL_SAFE);
}

/**
 * Returns the bytes of standard or URL-safe base64, or undefined. One alphabet per value, padding
 * optional, otherwise canonical.
 */
export function decodeAnyBase64(text: string): Buffer | undefined {
  const unpadded = text.endsWith('=') ? withoutPadding(text) : text;
  if (unpadded === undefined) return undefined;
  return text.includes('-') || text.includes('_') ? decodeBase64Url(unpadded) : decode(unpadded, 'base64', STANDARD);
}

/** Longer texts are decoded in pieces: a string of this size dies young, a large one does not. */
const PIECE = 32 * 1_024;
const [PLUS, SLASH, MINUS, UNDERSCORE] = [0x2b, 0x2f, 0x2d, 0x5f];

/** Returns what `decodeAnyBase64` returns for the ASCII text between two places. */
export function decodeBase64In(text: Buffer, start: number, end: number): Buffer | undefined {
  if (end - start <= PIECE) return decodeAnyBase64(text.toString('latin1', start, end));
  const whole = text.subarray(start, end);
  const isUrlSafe = whole.includes(MINUS) || whole.includes(UNDERSCORE);
  if (isUrlSafe && (whole.includes(PLUS) || whole.includes(SLASH))) return undefined;
  const lastAt = end - ((end - start) % PIECE || PIECE);
  const last = decodeAnyBase64(text.toString('latin1', lastAt, end));
  if (!last) return undefined;
  const bytes = Buffer.allocUnsafe(((lastAt - start) / 4) * 3 + last.length);
  let at = 0;
  for (let from = start; from < lastAt; from += PIECE) {
    const written = bytes.write(text.toString('latin1', from, from + PIECE), at, isUrlSafe ? 'base64url' : 'base64');
    if (written !== (PIECE / 4) * 3) return undefined;
    at += written;
  }
  last.copy(bytes, at);
  return bytes;
}

/** Returns the number of bytes in a base64 text, whatever its errors. */
export function decodedBytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : Number(text.endsWith('='));
  return Math.floor(((text.length - padding) * 3) / 4);
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/**
 * Returns the decoded bytes. Buffer reads both alphabets whichever is named, but the other one ten
 * times slower.
 */
function decode(text: string, alphabet: 'base64' | 'base64url', letters: string): Buffer | undefined {
  const rest = text.length % 4;
  // Buffer uses the low byte of a character outside ASCII.
  if (rest === 1 || Buffer.byteLength(text) !== text.length) return undefined;
  if (rest !== 0) {
    const spareBits = rest === 2 ? 0b1111 : 0b11;
    if ((letters.indexOf(text.charAt(text.length - 1)) & spareBits) !== 0) return undefined;
  }
  const bytes = Buffer.from(text, alphabet);
  return bytes.length === Math.floor((text.length * 3) / 4) ? bytes : undefined;
}

function withoutPadding(text: string): string | undefined {
  if (text.length % 4 !== 0) return undefined;
  return text.endsWith('==') ? text.slice(0, -2) : text.slice(0, -1);
}
