import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { javascriptGcm } from '../../src/format/aes-gcm.ts';
import { gcm } from '../support/gcm.ts';
import { partsOf } from '../support/jwe-parts.ts';

/** Both kinds of keys, of the implementation under test and of the reference, node:crypto. */
const keysOf = (key: Buffer) =>
  [gcm, javascriptGcm].map((implementation) => ({
    lasting: implementation.lastingKey(key),
    once: () => implementation.keyOfOneUse(Buffer.from(key)),
  }));

describe(`AES-256-GCM, ${gcm.name}`, () => {
  test('opens no message that its buffer ends in', () => {
    const aad = Buffer.from('header');
    const key = randomBytes(32);
    const parts = partsOf(javascriptGcm.lastingKey(key).seal(aad, Buffer.alloc(12), Buffer.from('text')), aad);
    const { at, ciphertextBytes } = parts;
    const end = at + 12 + ciphertextBytes + 16;
    for (const { lasting, once } of keysOf(key)) {
      expect(lasting.open({ ...parts, bytes: parts.bytes.subarray(0, end) })).toEqual(Buffer.from('text'));
      for (const cut of [end - 1, end - 15, end - 16, at + 12, at + 11, 0]) {
        const changed = { ...parts, bytes: parts.bytes.subarray(0, cut) };
        expect(() => lasting.open(changed)).toThrow();
        expect(() => once().open(changed)).toThrow();
      }
      expect(() => lasting.seal(aad, Buffer.alloc(0), Buffer.from('text'))).toThrow();
    }
  });

  test.each([0, 16, 31, 33, 64])('makes no key of %i bytes that seals', (length) => {
    const [aad, iv] = [Buffer.from('header'), Buffer.alloc(12)];
    expect(() => gcm.lastingKey(Buffer.alloc(length)).seal(aad, iv, Buffer.from('text'))).toThrow();
    expect(() => gcm.keyOfOneUse(Buffer.alloc(length)).seal(aad, iv, Buffer.from('text'))).toThrow();
  });

  test('overwrites a key of one use that is released, and keeps a lasting key without its bytes', () => {
    const bytes = randomBytes(32);
    const copy = Buffer.from(bytes);
    const lasting = gcm.lastingKey(bytes);
    const once = gcm.keyOfOneUse(bytes);
    const [aad, iv, text] = [Buffer.from('header'), randomBytes(12), Buffer.from('text')];
    const message = once.seal(aad, iv, text);
    once.release();
    expect(bytes).toEqual(Buffer.alloc(32));
    lasting.release();
    expect(lasting.seal(aad, iv, text)).toBe(message);
    expect(javascriptGcm.lastingKey(copy).seal(aad, iv, text)).toBe(message);
  });

  test.each([0, 1, 49_151, 49_152, 49_153, 98_305, 200_000])(
    'seals a plaintext of %i bytes into the same message as bytes',
    (length) => {
      const key = randomBytes(32);
      const [aad, iv, plaintext] = [Buffer.from('header'), randomBytes(12), randomBytes(length)];
      const message = javascriptGcm.lastingKey(key).seal(aad, iv, plaintext);
      for (const { lasting, once } of keysOf(key)) {
        expect(lasting.sealLong('a..', aad, iv, plaintext).toString()).toBe(`a..${message}`);
        expect(once().sealLong('a..', aad, iv, plaintext).toString()).toBe(`a..${message}`);
      }
      expect(javascriptGcm.lastingKey(key).open(partsOf(message, aad))).toEqual(plaintext);
    },
  );

  test('returns texts that later messages do not change', () => {
    const key = gcm.lastingKey(randomBytes(32));
    const aad = Buffer.from('header');
    const opened = ['first', 'second', 'third'].map((text) =>
      key.open(partsOf(key.seal(aad, randomBytes(12), Buffer.from(text)), aad)),
    );
    expect(opened.map(String)).toEqual(['first', 'second', 'third']);
  });
});
