import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalContext } from '../../src/format/encryption-context.ts';
import {
  deterministicVersion,
  indexKeyFrom,
  indexToken,
  openDeterministic,
  sealDeterministic,
} from '../../src/format/index-key.ts';
import { compact } from '../support/vectors.ts';

const { index } = compact;
const newKey = (change: { readonly name?: string; readonly version?: number } = {}) =>
  indexKeyFrom(Buffer.from(index.indexKey, 'hex'), change.name ?? index.name, change.version ?? index.version);
const key = newKey();
const value = Buffer.from(index.value);
const open = (text: string, context?: Buffer, under = key) =>
  openDeterministic(under, Buffer.from(text, 'base64url'), context);
const refused = (code: string) => expect.objectContaining({ code });

describe('the vector of an index key', () => {
  test('its derived keys and its token', () => {
    expect(key.tokenKey.export().toString('hex')).toBe(index.tokenKey);
    expect(key.deterministicKey.export().toString('hex')).toBe(index.sivKey);
    expect(indexToken(key, index.bits, 'none', value)).toBe(index.token);
  });

  test('its deterministic values, with a context and without', () => {
    const { context, value: withContext } = index.deterministicWithContext;
    const canonical = canonicalContext(context);
    expect(Buffer.from(sealDeterministic(key, value, undefined), 'base64url').toString('hex')).toBe(
      index.deterministicEmptyContext,
    );
    expect(Buffer.from(sealDeterministic(key, value, canonical), 'base64url').toString('hex')).toBe(withContext);
  });

  test('its bytes are overwritten once the keys are derived', () => {
    const bytes = Buffer.from(index.indexKey, 'hex');
    indexKeyFrom(bytes, 'email', 1);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});

describe('tokens', () => {
  test.each([32, 40, 128, 256])('of %d bits are the first bits of the longest one', (bits) => {
    const whole = Buffer.from(indexToken(key, 256, 'none', value), 'base64url');
    expect(Buffer.from(indexToken(key, bits, 'none', value), 'base64url')).toEqual(whole.subarray(0, bits / 8));
  });

  test('of another index or version differ', () => {
    const tokens = [key, newKey({ name: 'phone' })].map((one) => indexToken(one, 128, 'none', value));
    expect(new Set(tokens).size).toBe(2);
  });

  test('normalise with NFC if the index requires it, and only then', () => {
    const [composed, decomposed] = [Buffer.from('ann\u00e9'), Buffer.from('anne\u0301')];
    expect(indexToken(key, 128, 'nfc', composed)).toBe(indexToken(key, 128, 'nfc', decomposed));
    expect(indexToken(key, 128, 'none', composed)).not.toBe(indexToken(key, 128, 'none', decomposed));
    expect(indexToken(key, 128, 'nfc', Buffer.from('\ufeffa'))).not.toBe(indexToken(key, 128, 'nfc', Buffer.from('a')));
  });

  test.each([
    ['no UTF-8', Buffer.of(0xff, 0xfe)],
    ['a surrogate in UTF-8', Buffer.of(0xed, 0xa0, 0x80)],
    ['an unassigned code point', Buffer.from('\u0378')],
    ['a noncharacter', Buffer.from('\u{10ffff}')],
  ])('refuse to normalise %s', (_what, bytes) => {
    expect(() => indexToken(key, 128, 'nfc', bytes)).toThrow(refused('malformed-request'));
    expect(indexToken(key, 128, 'none', bytes)).toHaveLength(22);
  });
});

describe('deterministic values', () => {
  test('are equal for equal values and contexts, and open', () => {
    const bytes = fc.uint8Array({ maxLength: 80 });
    fc.assert(
      fc.property(bytes, fc.option(bytes, { nil: undefined }), (plaintext, context) => {
        const sealed = sealDeterministic(key, plaintext, context);
        expect(sealDeterministic(key, plaintext, context)).toBe(sealed);
        expect(open(sealed, context && Buffer.from(context))).toEqual(Buffer.from(plaintext));
      }),
    );
  });

  const sealed = sealDeterministic(key, value, Buffer.from('{"table":"customers"}'));
  const context = Buffer.from('{"table":"customers"}');
  test('do not open under another context, index or version', () => {
    expect(() => open(sealed)).toThrow(refused('undecryptable'));
    expect(() => open(sealed, Buffer.from('{"table":"orders"}'))).toThrow(refused('undecryptable'));
    expect(() => open(sealed, context, newKey({ name: 'phone' }))).toThrow(refused('undecryptable'));
    expect(() => open(sealed, context, newKey({ version: 2 }))).toThrow(refused('undecryptable'));
    expect(open(sealed, context)).toEqual(value);
  });

  test('do not open with any byte changed; an altered prefix names another version', () => {
    for (let at = 0; at < Buffer.from(sealed, 'base64url').length; at += 1) {
      const changed = Buffer.from(sealed, 'base64url');
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      expect(() => openDeterministic(key, changed, context)).toThrow(
        refused(at === 0 ? 'malformed-ciphertext' : 'undecryptable'),
      );
    }
    const second = Buffer.from(sealed, 'base64url');
    second.writeUInt32BE(2, 1);
    expect(deterministicVersion(second)).toBe(2);
    const ofVersionTwo = indexKeyFrom(Buffer.alloc(64, 2), 'email', 2); // each version has bytes of its own
    expect(() => openDeterministic(ofVersionTwo, second, context)).toThrow(refused('undecryptable'));
  });

  test('shorter than prefix and tag have an invalid form', () => {
    for (const bytes of [0, 1, 20]) {
      expect(() => deterministicVersion(Buffer.alloc(bytes, 1))).toThrow(refused('malformed-ciphertext'));
    }
  });
});
