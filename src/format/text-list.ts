import { decodeBase64Into, decodedBytesIn, mayBeUrlSafe } from './base64.ts';
import { type ByteList, MAX_LISTED_BYTES } from './byte-list.ts';

/**
 * Returns the bytes of base64 texts, whose places are start and end in turn. Returns undefined if
 * one is not canonical, or too long for a list.
 */
export function decodeTexts(body: Buffer, places: readonly number[]): ByteList | undefined {
  const count = places.length / 2;
  let length = 0;
  for (let n = 0; n < count; n += 1) length += decodedBytesIn(body, places[2 * n] ?? 0, places[2 * n + 1] ?? 0);
  const bytes = Buffer.allocUnsafeSlow(length);
  const ends = new Uint32Array(count);
  const isStandard = !mayBeUrlSafe(body);
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    const decoded = decodeBase64Into(body, places[2 * n] ?? 0, places[2 * n + 1] ?? 0, bytes, at, isStandard);
    if (decoded === undefined || decoded > MAX_LISTED_BYTES) return undefined;
    at += decoded;
    ends[n] = at;
  }
  return { bytes, ends };
}
