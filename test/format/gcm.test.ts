import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { javascriptGcm } from '../../src/format/aes-gcm.ts';
import { gcm } from '../support/gcm.ts';
import { partsOf } from '../support/jwe-parts.ts';

/** Both kinds of keys, of the implementation under test and of the reference, which are one here without the native module. */
const keysOf = (key: Buffer) =>
  [gcm, javascriptGcm].map((implementation) => ({
    lasting: implementation.lastingKey(key),
    once: () => implementation.keyOfOneUse(Buffer.from(key)),
  }));

describe(`AES-256-GCM, ${gcm.name}`, () => {
  test('refuses an IV or a tag of another length as node:crypto does', () => {
    const key = randomBytes(32);
    const aad = Buffer.from('header');
    const parts = partsOf(javascriptGcm.lastingKey(key).seal(aad, Buffer.alloc(12), Buffer.from('text')), aad);
    const outcome = (open: () => unknown) => {
      try {
        return open();
      } catch (error) {
        return (error as Error).message;
      }
    };
    for (const changed of [
      { ...parts, tag: parts.tag.subarray(0, 12) },
      { ...parts, tag: Buffer.concat([parts.tag, Buffer.alloc(1)]) },
      { ...parts, iv: parts.iv.subarray(0, 11) },
      { ...parts, iv: Buffer.alloc(16) },
    ]) {
      const [own, reference] = keysOf(key);
      expect(outcome(() => own?.lasting.open(changed))).toEqual(outcome(() => reference?.lasting.open(changed)));
      expect(outcome(() => own?.once().open(changed))).toEqual(outcome(() => reference?.once().open(changed)));
      expect(outcome(() => own?.lasting.open(changed))).not.toEqual(Buffer.from('text'));
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

  test('returns texts that later messages do not change', () => {
    const key = gcm.lastingKey(randomBytes(32));
    const aad = Buffer.from('header');
    const opened = ['first', 'second', 'third'].map((text) =>
      key.open(partsOf(key.seal(aad, randomBytes(12), Buffer.from(text)), aad)),
    );
    expect(opened.map(String)).toEqual(['first', 'second', 'third']);
  });
});
