import { expect, test } from '@jest/globals';
import {
  encodeOpened,
  encodeOpenedItems,
  encodeSealed,
  encodeSealedItems,
} from '../../../src/http/answers/encode-answer.ts';
import { base64Of } from '../../../src/lib/json-safe.ts';

const parsed = (json: string | Buffer): unknown => JSON.parse(json.toString());

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
  expect(encodeSealedItems({ items: [] }).toString()).toBe('{"items":[]}');
});

test('a large answer is valid JSON too, as UTF-8', () => {
  const large = { ciphertext: base64Of(Buffer.alloc(60_000, 'ab')), keyId: 'é€' };
  const encoded = encodeSealed(large);
  expect(encoded).toBeInstanceOf(Buffer);
  expect(parsed(encoded)).toEqual(large);
});
