import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { hmacSha256 } from '../../src/audit/hmac.ts';

const nodes = (key: Buffer, message: string | Uint8Array) =>
  createHmac('sha256', key).update(message).digest('base64url');

describe.each([1, 31, 32, 63, 64])('HMAC-SHA-256 under a key of %d bytes', (size) => {
  const key = randomBytes(size);
  const hmac = hmacSha256(createSecretKey(key));

  test.each([0, 1, 55, 56, 63, 64, 65, 780, 5_461, 5_462, 16_384, 16_385, 100_000])(
    "is Node's, of %d characters and bytes",
    (length) => {
      for (const text of ['x', 'ü', '€', '𝒙', '\0', '\ud800'].map((unit) => unit.repeat(length)))
        expect(hmac(text)).toBe(nodes(key, text));
      const bytes = randomBytes(length);
      expect(hmac(bytes)).toBe(nodes(key, bytes));
    },
  );
});

test('a short message after a long one, and keys in turn, leave nothing of each other', () => {
  const [a, b] = [randomBytes(32), randomBytes(32)];
  const [first, second] = [hmacSha256(createSecretKey(a)), hmacSha256(createSecretKey(b))];
  for (const text of ['a long one '.repeat(50), 'short', '', 'a long one '.repeat(49)]) {
    expect([first(text), second(text), first(text)]).toEqual([nodes(a, text), nodes(b, text), nodes(a, text)]);
  }
});

test('HMAC-SHA-256 gives the digest of RFC 4231, test case 2', () => {
  const hex = Buffer.from(
    hmacSha256(createSecretKey(Buffer.from('Jefe')))('what do ya want for nothing?'),
    'base64url',
  );
  expect(hex.toString('hex')).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
});

test('a key that is longer than a block is refused', () => {
  expect(() => hmacSha256(createSecretKey(randomBytes(65)))).toThrow('longer than a block');
});
