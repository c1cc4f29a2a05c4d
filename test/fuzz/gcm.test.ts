import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { javascriptGcm } from '../../src/format/aes-gcm.ts';
import type { ByteList } from '../../src/format/byte-list.ts';
import { fuzz, NO_LIMIT } from '../support/fuzz-runs.ts';
import { gcm } from '../support/gcm.ts';
import { partsOf } from '../support/jwe-parts.ts';

const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));
/** Lengths around the blocks of AES, and around the longest text and header of the native module. */
const texts = fc
  .tuple(
    fc.oneof(fc.nat(100), fc.constantFrom(0, 15, 16, 17, 1_024, 4_080, 4_095, 4_096, 4_097, 20_000), fc.nat(5_000)),
    exactly(32),
  )
  .map(([length, seed]) => Buffer.alloc(length, seed));
const headers = fc
  .tuple(fc.oneof(fc.nat(900), fc.constantFrom(2_047, 2_048, 2_049)), exactly(32))
  .map(([length, seed]) => Buffer.alloc(length, seed));

/** A lasting key and keys of one use: of the implementation under test, and of the reference. */
const keysOf = (key: Buffer) =>
  [gcm, javascriptGcm].flatMap((implementation) => [
    implementation.lastingKey(key),
    implementation.keyOfOneUse(Buffer.from(key)),
  ]);

describe(`AES-256-GCM, ${gcm.name}`, () => {
  test(
    'gives the same message as node:crypto for every key, header, IV and plaintext, and opens it',
    async () => {
      await fuzz(
        'sealing',
        0.1,
        fc.tuple(exactly(32), headers, exactly(12), texts),
        async ([key, aad, iv, plaintext]) => {
          const message = javascriptGcm.lastingKey(key).seal(aad, iv, plaintext);
          for (const each of keysOf(key)) {
            expect(each.seal(aad, iv, plaintext)).toBe(message);
            expect(each.open(partsOf(message, aad))?.equals(plaintext)).toBe(true);
          }
        },
      );
    },
    NO_LIMIT,
  );

  test(
    'refuses what node:crypto refuses: any bit changed in key, header, IV, ciphertext or tag',
    async () => {
      const changes = fc.tuple(exactly(32), headers, texts, fc.nat(), fc.nat(4));
      await fuzz('opening', 0.1, changes, async ([key, header, plaintext, bit, which]) => {
        const sealed = javascriptGcm.lastingKey(key).seal(header, randomBytes(12), plaintext);
        const { aad, bytes, at, ciphertextBytes } = partsOf(sealed, Buffer.from(header));
        const tagAt = at + 12 + ciphertextBytes;
        const parts = [
          [at, at + 12],
          [at + 12, tagAt],
          [tagAt, tagAt + 16],
        ] as const;
        const changed = [key, aad, ...parts.map(([from, to]) => bytes.subarray(from, to))][which];
        if (!changed || changed.length === 0) return;
        const bitAt = bit % (8 * changed.length);
        changed[bitAt >> 3] = (changed[bitAt >> 3] ?? 0) ^ (1 << (bitAt & 7));
        for (const each of keysOf(key)) expect(each.open({ aad, bytes, at, ciphertextBytes })).toBeUndefined();
      });
    },
    NO_LIMIT,
  );

  test(
    'gives the same lists as node:crypto, and the same refusals',
    async () => {
      const frame = { before: Buffer.from('{"text":"'), after: Buffer.from('"}') };
      const lists = fc.tuple(exactly(32), headers, fc.array(texts, { maxLength: 6 }), fc.nat(200_000));
      await fuzz('lists', 0.05, lists, async ([key, aad, plaintexts, bit]) => {
        const ivs = randomBytes(12 * plaintexts.length);
        const [reference, ...others] = keysOf(key).reverse();
        const sealed = { aad, list: listOf(plaintexts), frame };
        const messages = reference?.sealList(sealed, ivs) ?? Buffer.alloc(0);
        const parts = [...messages.toString('latin1').matchAll(/{"text":"([^"]*)"}/g)].map(([, message = '']) =>
          Buffer.concat(message.split('.').map((part) => Buffer.from(part, 'base64url'))),
        );
        const opening = { aad, list: listOf(parts), frame };
        const opened = reference?.openList(opening);
        for (const each of others) {
          expect(each.sealList(sealed, ivs).equals(messages)).toBe(true);
          expect(each.openList(opening)).toEqual(opened);
          expect(each.openAll(opening)).toEqual(listOf(plaintexts));
        }
        const { bytes } = opening.list;
        if (bytes.length === 0) return;
        const bitAt = bit % (8 * bytes.length);
        bytes[bitAt >> 3] = (bytes[bitAt >> 3] ?? 0) ^ (1 << (bitAt & 7));
        for (const each of keysOf(key)) {
          expect(each.openList(opening)).toBeUndefined();
          expect(each.openAll(opening)).toBeUndefined();
        }
      });
    },
    NO_LIMIT,
  );
});

/** Returns parts that follow one another. */
function listOf(parts: readonly Buffer[]): ByteList {
  let end = 0;
  return { bytes: Buffer.concat(parts), ends: Uint32Array.from(parts, ({ length }) => (end += length)) };
}
