import { expect, test } from '@jest/globals';
import {
  type Encoded,
  encodeOpened,
  encodeOpenedItems,
  encodeSealed,
  encodeSealedItems,
} from '../../../src/http/answers/encode-answer.ts';
import { base64Of, base64TextOf } from '../../../src/lib/json-safe.ts';

const textOf = (json: Encoded): string => (typeof json === 'string' ? json : Buffer.concat(json).toString());
const parsed = (json: Encoded): unknown => JSON.parse(textOf(json));

const HOSTILE = 'a"b\\c\n\u2028</script>';
const text = base64Of(Buffer.from([0xfb, 0xff, 0xfe, 1]));

test('an answer is valid JSON whatever its short members contain', () => {
  const [sealed, opened] = [
    { ciphertext: text, keyId: HOSTILE },
    { plaintext: text, keyId: HOSTILE },
  ];
  expect(parsed(encodeSealed(sealed))).toEqual(sealed);
  expect(parsed(encodeOpened(opened))).toEqual(opened);
});

test('a batch is valid JSON whatever a problem contains', () => {
  const error = { error: { detail: HOSTILE } };
  const sealed = { items: [{ ciphertext: text, keyId: HOSTILE }, error] };
  const opened = { items: [error, { plaintext: text, keyId: HOSTILE }] };
  expect(parsed(encodeSealedItems(sealed))).toEqual(sealed);
  expect(parsed(encodeOpenedItems(opened))).toEqual(opened);
  expect(textOf(encodeSealedItems({ items: [] }))).toBe('{"items":[]}');
});

test('a large answer is valid JSON too, as UTF-8', () => {
  const bytes = Buffer.alloc(60_000, 'ab');
  const [plaintext, keyId] = [bytes.toString('base64'), 'é€'];
  const encoded = encodeOpened({ plaintext: base64TextOf(bytes), keyId });
  expect(typeof encoded).not.toBe('string');
  expect(parsed(encoded)).toEqual({ plaintext, keyId });
  const items = encodeOpenedItems({ items: [{ plaintext: base64TextOf(bytes), keyId }] });
  expect(parsed(items)).toEqual({ items: [{ plaintext, keyId }] });
});
