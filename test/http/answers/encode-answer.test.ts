import { expect, test } from '@jest/globals';
import {
  encodeOpened,
  encodeOpenedItems,
  encodeSealed,
  encodeSealedItems,
} from '../../../src/http/answers/encode-answer.ts';
import { base64Of } from '../../../src/lib/json-safe.ts';

const HOSTILE = 'a"b\\c\n\u2028</script>';
const text = base64Of(Buffer.from([0xfb, 0xff, 0xfe, 1]));

test('an answer is valid JSON whatever its short members contain', () => {
  const [sealed, opened] = [
    { ciphertext: text, keyId: HOSTILE },
    { plaintext: text, keyId: HOSTILE },
  ];
  expect(JSON.parse(encodeSealed(sealed))).toEqual(sealed);
  expect(JSON.parse(encodeOpened(opened))).toEqual(opened);
});

test('a batch is valid JSON whatever a problem contains', () => {
  const error = { error: { detail: HOSTILE } };
  const sealed = { items: [{ ciphertext: text, keyId: HOSTILE }, error] };
  const opened = { items: [error, { plaintext: text, keyId: HOSTILE }] };
  expect(JSON.parse(encodeSealedItems(sealed))).toEqual(sealed);
  expect(JSON.parse(encodeOpenedItems(opened))).toEqual(opened);
  expect(encodeSealedItems({ items: [] })).toBe('{"items":[]}');
});
