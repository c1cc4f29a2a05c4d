import { Buffer } from 'node:buffer';

/**
 * Returns the bytes of canonical base64url (RFC 4648 §5: no padding, no whitespace, spare bits
 * zero), or undefined. Node's own decoders are more lenient. Buffer skips unknown characters and
 * reads both alphabets at once, which would make ciphertexts malleable. A skipped character leaves
 * fewer bytes than the text's length implies. So comparing lengths finds it without a regular
 * expression over a long string. No decoder is faster than Buffer's.
 */
export function decodeBase64Url(text: string): Buffer | undefined {
  return hasStandardLetter(text) ? undefined : decode(text, 'base64url', URL_SAFE);
}

/**
 * Returns the bytes of standard or URL-safe base64, or undefined. One alphabet per value, padding
 * optional, otherwise canonical.
 */
export function decodeAnyBase64(text: string): Buffer | undefined {
  const unpadded = text.endsWith('=') ? withoutPadding(text) : text;
  if (unpadded === undefined) return undefined;
  return hasUrlSafeLetter(text) ? decodeBase64Url(unpadded) : decode(unpadded, 'base64', STANDARD);
}

const hasStandardLetter = (text: string): boolean => text.includes('+') || text.includes('/');
const hasUrlSafeLetter = (text: string): boolean => text.includes('-') || text.includes('_');

/** Longer texts are decoded in pieces: a string of this size dies young, a large one does not. */
const PIECE = 32 * 1_024;

/** Returns what `decodeAnyBase64` returns for the ASCII text between two places. */
export function decodeBase64In(text: Buffer, start: number, end: number): Buffer | undefined {
  if (end - start <= SHORT) return decodeShortAny(text, start, end);
  if (end - start <= PIECE) return decodeAnyBase64(text.toString('latin1', start, end));
  const to = paddingStart(text, start, end);
  if (to === undefined || (to - start) % 4 === 1 || hasSpareBits(text, start, to)) return undefined;
  const bytes = Buffer.allocUnsafeSlow(bytesOf(to - start));
  const isDecoded = decodeLong(text, start, to, bytes, 'base64') || decodeLong(text, start, to, bytes, 'base64url');
  return isDecoded ? bytes : undefined;
}

/**
 * Decodes unpadded text between two places. Returns whether each letter is of the alphabet. V8's
 * decoder refuses letters of the other one, and skips whitespace, which the length shows.
 */
function decodeLong(
  text: Buffer,
  start: number,
  end: number,
  bytes: Buffer,
  alphabet: 'base64' | 'base64url',
): boolean {
  try {
    let at = 0;
    for (let from = start; from < end; from += PIECE) {
      const piece = text.toString('latin1', from, Math.min(from + PIECE, end));
      const to = at + bytesOf(piece.length); // V8 allocates as much as its target has
      const { written } = bytes.subarray(at, to).setFromBase64(piece, { alphabet });
      if (at + written !== to) return false;
      at = to;
    }
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false; // a letter of no alphabet, or of the other one
    throw error;
  }
}

/** Up to this length a loop over the characters costs less than a string of them. */
const SHORT = 64;
/** Marks of a character that only one alphabet has; one with both marks has no value. */
const [IS_STANDARD, IS_URL_SAFE, NO_VALUE, VALUE] = [0b0100_0000, 0b1000_0000, 0b1100_0000, 0b0011_1111];
/** The value of each character, with its mark. */
const VALUES = new Uint8Array(256).fill(NO_VALUE);
/** Spare bits of a last group of two and of three characters: none may be set. */
const SPARE_BITS = [0, 0, 0b1111, 0b11] as const;

/**
 * Decodes the text between two places of `text` into `target` from `at` on. Returns whether it is
 * canonical base64url, as decodeBase64Url judges it. If not, the bytes in `target` mean nothing.
 */
export function decodeBase64UrlInto(text: Buffer, start: number, end: number, target: Buffer, at: number): boolean {
  if (end - start <= SHORT) return (decodeShort(text, start, end, target, at) & IS_STANDARD) === 0;
  for (let from = start; from < end; from += PIECE) {
    const to = Math.min(from + PIECE, end);
    const piece = text.toString('latin1', from, to);
    if (hasStandardLetter(piece) || !hasNoSpareBits(piece, URL_SAFE)) return false;
    const bytes = bytesOf(piece.length);
    if (target.write(piece, at, bytes, 'base64url') !== bytes) return false;
    at += bytes;
  }
  return true;
}

/** Returns the number of bytes that `decodeBase64Into` writes if the text is canonical. */
export const decodedBytesIn = (text: Buffer, start: number, end: number): number =>
  bytesOf((paddingStart(text, start, end) ?? end) - start);

/** Returns whether any text of a body may be URL-safe base64: names of members have no such letter. */
export const mayBeUrlSafe = (body: Buffer): boolean => body.includes('-') || body.includes('_');

/**
 * Decodes what `decodeAnyBase64` accepts between two places of an ASCII text into `target` from `at`
 * on. Returns the number of bytes; undefined if it is not canonical, and the bytes mean nothing.
 * `isStandard` says that no letter of the text is URL-safe.
 */
export function decodeBase64Into(
  text: Buffer,
  start: number,
  end: number,
  target: Buffer,
  at: number,
  isStandard: boolean,
): number | undefined {
  const to = paddingStart(text, start, end);
  if (to === undefined) return undefined;
  const bytes = bytesOf(to - start);
  if (end - start <= SHORT) return decodeShort(text, start, to, target, at) === NO_VALUE ? undefined : bytes;
  if ((to - start) % 4 === 1 || hasSpareBits(text, start, to)) return undefined;
  const unpadded = text.toString('latin1', start, to);
  const isUrlSafe = !isStandard && hasUrlSafeLetter(unpadded);
  if (isUrlSafe && hasStandardLetter(unpadded)) return undefined;
  return target.write(unpadded, at, bytes, isUrlSafe ? 'base64url' : 'base64') === bytes ? bytes : undefined;
}

/** Returns whether the last character of an unpadded text sets bits that no byte has. */
const hasSpareBits = (text: Buffer, start: number, end: number): boolean =>
  (valueAt(text, end - 1) & (SPARE_BITS[(end - start) % 4] ?? 0)) !== 0;

/** Returns where the padding starts, or the end; undefined for padding in a wrong place. */
function paddingStart(text: Buffer, start: number, end: number): number | undefined {
  if (start === end || text[end - 1] !== PADDING) return end;
  if ((end - start) % 4 !== 0) return undefined;
  return text[end - 2] === PADDING ? end - 2 : end - 1;
}

function decodeShortAny(text: Buffer, start: number, end: number): Buffer | undefined {
  const to = paddingStart(text, start, end);
  if (to === undefined) return undefined;
  const bytes = Buffer.allocUnsafe(bytesOf(to - start));
  return decodeShort(text, start, to, bytes, 0) === NO_VALUE ? undefined : bytes;
}

const PADDING = 0x3d;

/** Returns the marks of all characters of an unpadded text; both marks if it is not canonical. */
function decodeShort(text: Buffer, start: number, end: number, target: Buffer, at: number): number {
  const rest = (end - start) % 4;
  if (rest === 1) return NO_VALUE;
  const wholeEnd = end - rest;
  let seen = 0;
  let to = at;
  for (let from = start; from < wholeEnd; from += 4) {
    const a = valueAt(text, from);
    const b = valueAt(text, from + 1);
    const c = valueAt(text, from + 2);
    const d = valueAt(text, from + 3);
    seen |= a | b | c | d;
    target[to] = (a << 2) | ((b & VALUE) >> 4);
    target[to + 1] = (b << 4) | ((c & VALUE) >> 2);
    target[to + 2] = (c << 6) | (d & VALUE);
    to += 3;
  }
  if (rest !== 0) {
    const a = valueAt(text, wholeEnd);
    const b = valueAt(text, wholeEnd + 1);
    const c = rest === 3 ? valueAt(text, wholeEnd + 2) : 0;
    const last = rest === 3 ? c : b;
    seen |= a | b | c | ((last & (SPARE_BITS[rest] ?? 0)) === 0 ? 0 : NO_VALUE);
    target[to] = (a << 2) | ((b & VALUE) >> 4);
    if (rest === 3) target[to + 1] = (b << 4) | ((c & VALUE) >> 2);
  }
  return seen & NO_VALUE;
}

const valueAt = (text: Buffer, at: number): number => VALUES[text[at] ?? 0] ?? NO_VALUE;

/** Returns the number of bytes in an unpadded base64 text of so many characters. */
export const bytesOf = (characters: number): number => Math.floor((characters * 3) / 4);

/** Returns the number of bytes in a base64 text, whatever its errors. */
export function decodedBytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : Number(text.endsWith('='));
  return Math.floor(((text.length - padding) * 3) / 4);
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
for (const [value, letter] of [...URL_SAFE].entries()) VALUES[letter.charCodeAt(0)] = value;
for (const value of [62, 63]) {
  VALUES[URL_SAFE.charCodeAt(value)] = value | IS_URL_SAFE;
  VALUES[STANDARD.charCodeAt(value)] = value | IS_STANDARD;
}

/**
 * Returns the decoded bytes. Buffer reads both alphabets whichever is named, but the other one ten
 * times slower.
 */
function decode(text: string, alphabet: 'base64' | 'base64url', letters: string): Buffer | undefined {
  // Buffer uses the low byte of a character outside ASCII.
  if (!hasNoSpareBits(text, letters) || Buffer.byteLength(text) !== text.length) return undefined;
  const bytes = Buffer.from(text, alphabet);
  return bytes.length === bytesOf(text.length) ? bytes : undefined;
}

/** Returns whether the text's length is possible, and its last character sets no spare bits. */
function hasNoSpareBits(text: string, letters: string): boolean {
  const rest = text.length % 4;
  if (rest <= 1) return rest === 0;
  return (letters.indexOf(text.charAt(text.length - 1)) & (SPARE_BITS[rest] ?? 0)) === 0;
}

function withoutPadding(text: string): string | undefined {
  if (text.length % 4 !== 0) return undefined;
  return text.endsWith('==') ? text.slice(0, -2) : text.slice(0, -1);
}
