import { decodeBase64Into, decodedBytesIn, mayBeUrlSafe } from './base64.ts';
import { type ByteList, MAX_LISTED_BYTES } from './byte-list.ts';

/**
 * Returns a function that returns the bytes of base64 texts of a body, whose places are start and
 * end in turn. It returns undefined if one is not canonical, or too long for a list.
 */
export function textDecoder(body: Buffer): (places: readonly number[]) => ByteList | undefined {
  let isStandard: boolean | undefined;
  return (places) => {
    isStandard ??= !mayBeUrlSafe(body);
    return decodeTexts(body, places, isStandard);
  };
}

function decodeTexts(body: Buffer, places: readonly number[], isStandard: boolean): ByteList | undefined {
  const count = places.length / 2;
  let length = 0;
  for (let n = 0; n < count; n += 1) length += decodedBytesIn(body, places[2 * n] ?? 0, places[2 * n + 1] ?? 0);
  const bytes = Buffer.allocUnsafeSlow(length);
  const ends = new Uint32Array(count);
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    const decoded = decodeBase64Into(body, places[2 * n] ?? 0, places[2 * n + 1] ?? 0, bytes, at, isStandard);
    if (decoded === undefined || decoded > MAX_LISTED_BYTES) return undefined;
    at += decoded;
    ends[n] = at;
  }
  return { bytes, ends };
}
