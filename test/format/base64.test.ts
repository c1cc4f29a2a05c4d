import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeAnyBase64, decodeBase64Url } from '../../src/format/base64.ts';

const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));

describe('decodeBase64Url', () => {
  test('returns the bytes of any canonical text', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(decodeBase64Url(value.toString('base64url'))?.equals(value)).toBe(true);
      }),
    );
  });

  test('accepts exactly the text that Buffer would write for the bytes it reads', () => {
    const character = fc.oneof(fc.constantFrom(...URL_SAFE), fc.constantFrom(...'+/= \n\t.%\0éЖ€😀'));
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 24 }), (text) => {
        const lax = Buffer.from(text, 'base64url');
        const isCanonical = lax.toString('base64url') === text;
        expect(decodeBase64Url(text)?.toString('hex')).toBe(isCanonical ? lax.toString('hex') : undefined);
      }),
      { numRuns: 2_000 },
    );
  });

  test('judges every text of up to two characters as Buffer does', () => {
    for (const first of URL_SAFE) {
      expect(decodeBase64Url(first)).toBeUndefined();
      for (const second of URL_SAFE) {
        const isCanonical = Buffer.from(first + second, 'base64url').toString('base64url') === first + second;
        expect(decodeBase64Url(first + second) !== undefined).toBe(isCanonical);
      }
    }
  });

  test.each([
    ['one padding character', 'QUI='],
    ['two padding characters', 'QQ=='],
    ['padding alone', '===='],
    ['padding in the middle', 'QQ==QUJD'],
    ['padding of the URL kind', 'QQ%3D%3D'],
    ['a space inside', 'QUJ D'],
    ['a space inside, length a multiple of four', 'QUJ DQU '],
    ['a space before', ' QUJ'],
    ['a line feed after', 'QUJD\n'],
    ['tabs of a whole group', 'QUJD\t\t\t\t'],
    ['whitespace alone', '    '],
    ['spare bits of two', 'QR'],
    ['spare bits of four', 'QUF'],
    ['a length of 4n + 1', 'QUJDQ'],
    ['a single character', 'A'],
    ['plus', 'QU+D'],
    ['slash', 'QU/D'],
    ['a dot', 'QU.D'],
    ['NUL', 'QU\0D'],
    ['a Latin-1 letter', 'QUéD'],
    ['a letter whose low byte is in the alphabet', `QU${String.fromCharCode(0x0141)}D`],
    ['an emoji', 'QU😀'],
    ['a lone surrogate', 'QUJ\ud800'],
  ])('refuses %s', (_what, text) => {
    expect(decodeBase64Url(text)).toBeUndefined();
  });

  test('returns no bytes for the empty text', () => {
    expect(decodeBase64Url('')?.length).toBe(0);
  });
});

describe('decodeAnyBase64', () => {
  test('returns the bytes of both alphabets, with and without padding', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const standard = value.toString('base64');
        const urlSafe = standard.replaceAll('+', '-').replaceAll('/', '_');
        for (const text of [standard, urlSafe, standard.replaceAll('=', ''), urlSafe.replaceAll('=', '')]) {
          expect(decodeAnyBase64(text)?.equals(value)).toBe(true);
        }
      }),
    );
  });

  test.each([
    ['both alphabets in one value', '+-AA'],
    ['too little padding', 'QQ='],
    ['too much padding', 'QUI=='],
    ['three padding characters', 'Q==='],
    ['padding of a full group', 'QUJD===='],
    ['padding alone', '='],
    ['padding alone, four', '===='],
    ['padding in the middle', 'QQ==QQ=='],
    ['spare bits before padding', 'QR=='],
    ['spare bits without padding', 'QUF'],
    ['whitespace', 'QUJD QUJD'],
    ['a line feed after', 'QUJDQUI=\n'],
    ['a non-Latin letter', 'QUЖD'],
  ])('refuses %s', (_what, text) => {
    expect(decodeAnyBase64(text)).toBeUndefined();
  });
});
