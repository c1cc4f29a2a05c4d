import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  bytesOf,
  decodeAnyBase64,
  decodeBase64In,
  decodeBase64Url,
  decodeBase64UrlInto,
} from '../../src/format/base64.ts';

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

/** Returns the bytes of a text in the middle of another; undefined if it is refused. */
function decodedIn(text: string): Buffer | undefined {
  const around = Buffer.from(`AAAA${text}AAAA`, 'latin1');
  const target = Buffer.alloc(3 + bytesOf(text.length) + 3, 0xa5);
  const isCanonical = decodeBase64UrlInto(around, 4, around.length - 4, target, 3);
  expect([...target.subarray(0, 3), ...target.subarray(-3)]).toEqual(new Array(6).fill(0xa5));
  return isCanonical ? target.subarray(3, -3) : undefined;
}

describe('decodeBase64UrlInto', () => {
  const PIECE = 32 * 1_024;

  test('judges each text as decodeBase64Url does, and writes nothing beside its bytes', () => {
    const character = fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom(...URL_SAFE) },
      { weight: 1, arbitrary: fc.constantFrom(...'+/= \n\t.%\0é') },
    );
    const length = fc.oneof(fc.nat(8), fc.nat(80), fc.constantFrom(63, 64, 65, 66, 67, 68, 100, 1_366));
    const text = length.chain((characters) =>
      fc.array(character, { minLength: characters, maxLength: characters, size: 'max' }),
    );
    fc.assert(
      fc.property(text, (characters) => {
        const one = characters.join('');
        expect(decodedIn(one)).toEqual(decodeBase64Url(one));
      }),
      { numRuns: 2_000 },
    );
  });

  test('judges every text of up to three characters as decodeBase64Url does', () => {
    for (const first of URL_SAFE) {
      expect(decodedIn(first)).toBeUndefined();
      for (const second of URL_SAFE) {
        expect(decodedIn(first + second)).toEqual(decodeBase64Url(first + second));
        expect(decodedIn(`A${first}${second}`)).toEqual(decodeBase64Url(`A${first}${second}`));
      }
    }
  });

  test.each([0, 1, 2, 3, 4])('decodes pieces of long texts, and %i characters more', (more) => {
    const text = Buffer.alloc(PIECE * 2, 'ab')
      .toString('base64url')
      .slice(0, PIECE * 2 + more);
    const long = `${text.slice(0, -1)}A`;
    expect(decodedIn(long)).toEqual(decodeBase64Url(long));
    for (const at of [PIECE - 1, PIECE, PIECE + 1, long.length - 2]) {
      expect(decodedIn(`${long.slice(0, at)}+${long.slice(at + 1)}`)).toBeUndefined();
      expect(decodedIn(`${long.slice(0, at)}=${long.slice(at + 1)}`)).toBeUndefined();
    }
  });
});

describe('decodeBase64In', () => {
  test('judges the text between two places as decodeAnyBase64 judges it alone', () => {
    const character = fc.oneof(
      { weight: 40, arbitrary: fc.constantFrom(...URL_SAFE.slice(0, 62)) },
      { weight: 1, arbitrary: fc.constantFrom(...'+/-_= \n.%\0é') },
    );
    const text = fc
      .oneof(fc.nat(8), fc.nat(70), fc.constantFrom(63, 64, 65, 68))
      .chain((length) =>
        fc.tuple(fc.array(character, { minLength: length, maxLength: length }), fc.constantFrom('', '=', '==', '===')),
      );
    fc.assert(
      fc.property(text, ([characters, padding]) => {
        const one = characters.join('') + padding;
        const found = decodeBase64In(Buffer.from(`=${one}=`, 'latin1'), 1, 1 + one.length);
        expect(found).toEqual(decodeAnyBase64(one));
      }),
      { numRuns: 5_000 },
    );
  });

  test('judges a long text as decodeAnyBase64 judges it, wherever one character is another', () => {
    const length = fc.oneof(fc.constantFrom(32_769, 65_536, 65_537, 98_304), fc.nat(100_000));
    const changed = fc.constantFrom('', '+', '/', '-', '_', '=', ' ', '\n', '\0', '\xe9', 'B');
    const texts = fc.tuple(length, fc.constantFrom('base64', 'base64url'), fc.nat(), changed, fc.nat(3));
    fc.assert(
      fc.property(texts, ([size, alphabet, at, letter, padding]) => {
        const whole = Buffer.alloc(Math.max(size, 24_577), 'a long text?').toString(alphabet as 'base64');
        const place = at % whole.length;
        const one = `${letter === '' ? whole : whole.slice(0, place) + letter + whole.slice(place + 1)}${'='.repeat(padding)}`;
        const found = decodeBase64In(Buffer.from(`=${one}=`, 'latin1'), 1, 1 + one.length);
        const expected = decodeAnyBase64(one);
        expect(found === undefined ? undefined : Buffer.compare(found, expected ?? Buffer.alloc(0))).toBe(
          expected === undefined ? undefined : 0,
        );
      }),
      { numRuns: 300 },
    );
  });

  test('judges every text of up to three characters of both alphabets as decodeAnyBase64 does', () => {
    const letters = [...URL_SAFE, '+', '/', '='];
    for (const first of letters) {
      for (const second of letters) {
        for (const one of [first, first + second, `A${first}${second}`, `${first}${second}==`, `A${first}${second}=`]) {
          expect(decodeBase64In(Buffer.from(`=${one}=`), 1, 1 + one.length)).toEqual(decodeAnyBase64(one));
        }
      }
    }
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
