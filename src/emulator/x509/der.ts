/** The part of X.690 DER that an X.509 certificate needs. */

export type Der = Buffer;

export function tagged(tag: number, ...contents: readonly Uint8Array[]): Der {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), length(body.length), body]);
}

function length(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.from([bytes]);
  if (bytes < 0x1_00) return Buffer.from([0x81, bytes]);
  if (bytes < 0x1_00_00) return Buffer.from([0x82, bytes >> 8, bytes & 0xff]);
  throw new RangeError(`No certificate has a member of ${bytes} bytes`);
}

export const sequence = (...contents: readonly Uint8Array[]): Der => tagged(0x30, ...contents);
export const set = (...contents: readonly Uint8Array[]): Der => tagged(0x31, ...contents);
export const octetString = (contents: Uint8Array): Der => tagged(0x04, contents);
export const utf8String = (text: string): Der => tagged(0x0c, Buffer.from(text));
export const truth: Der = tagged(0x01, Buffer.from([0xff]));

/** Returns a bit string; the lowest `unusedBits` bits of the last byte do not count. */
export const bitString = (contents: Uint8Array, unusedBits = 0): Der =>
  tagged(0x03, Buffer.from([unusedBits]), contents);

/** Returns a positive integer: a zero byte goes before a first byte with its high bit set. */
export function positiveInteger(bytes: Uint8Array): Der {
  const isNegative = ((bytes[0] ?? 0) & 0x80) !== 0;
  return tagged(0x02, isNegative ? Buffer.from([0]) : Buffer.alloc(0), bytes);
}

export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

/** Returns a time; RFC 5280 requires UTCTime up to 2049, GeneralizedTime after it. */
export function time(date: Date): Der {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  return date.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits));
}
