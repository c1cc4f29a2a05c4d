import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { FieldError } from '../../src/errors.ts';
import { nearestName } from '../../src/lib/nearest-name.ts';
import { parseInput } from '../../src/lib/parse-input.ts';

const Schema = z.strictObject({
  encryptionContext: z.unknown().optional(),
  plaintext: z.string().min(1).max(8),
  count: z.int().min(2).max(4).optional(),
  isOpen: z.boolean().optional(),
  names: z.array(z.string()).max(2).optional(),
  pairs: z.record(z.string().regex(/^[a-z]+$/, 'must be letters'), z.string()).optional(),
  to: z.strictObject({ key: z.string().optional() }).optional(),
  id: z.guid().optional(),
  kind: z.enum(['data', 'wrap']).optional(),
});

function errorsOf(value: unknown): readonly FieldError[] {
  try {
    parseInput(Schema, value, '');
    return [];
  } catch (error) {
    expect(error).toMatchObject({ name: 'ServiceError', code: 'malformed-request' });
    return (error as { readonly errors: readonly FieldError[] }).errors;
  }
}

describe('an invalid field', () => {
  const plaintext = 'a';
  test.each([
    ['is absent', {}, '/plaintext', 'is required'],
    ['has another type', { plaintext: 1 }, '/plaintext', 'must be a string'],
    ['is null', { plaintext: null }, '/plaintext', 'must be a string'],
    ['is empty', { plaintext: '' }, '/plaintext', 'must not be empty'],
    ['is too long', { plaintext: 'a'.repeat(9) }, '/plaintext', 'must have at most 8 characters'],
    ['is a fraction', { plaintext, count: 2.5 }, '/count', 'must be a whole number'],
    ['is too small', { plaintext, count: 1 }, '/count', 'must be at least 2'],
    ['is too large', { plaintext, count: 5 }, '/count', 'must be at most 4'],
    ['is no boolean', { plaintext, isOpen: 'yes' }, '/isOpen', 'must be true or false'],
    ['is no array', { plaintext, names: {} }, '/names', 'must be an array'],
    ['has too many items', { plaintext, names: ['a', 'b', 'c'] }, '/names', 'must have at most 2 items'],
    ['has a wrong item', { plaintext, names: ['a', 1] }, '/names/1', 'must be a string'],
    ['has a wrong name', { plaintext, pairs: { A: 'a' } }, '/pairs/A', 'must be letters'],
    ['is no GUID', { plaintext, id: 'x' }, '/id', 'must be a GUID'],
    ['is none of a list', { plaintext, kind: 'both' }, '/kind', 'must be one of data, wrap'],
    ['is unknown', { plaintext, other: 1 }, '/other', 'Unknown field `other`'],
    ['is misspelled', { plaintext, cuont: 1 }, '/cuont', 'Unknown field `cuont`; did you mean `count`?'],
    [
      'is a part of a name',
      { plaintext, context: {} },
      '/context',
      'Unknown field `context`; did you mean `encryptionContext`?',
    ],
    ['is unknown further down', { plaintext, to: { Key: 'a' } }, '/to/Key', 'Unknown field `Key`; did you mean `key`?'],
    ['is __proto__', JSON.parse('{"plaintext":"a","__proto__":{}}'), '/__proto__', 'Unknown field `__proto__`'],
  ])('that %s is named in our words', (_what, value, pointer, detail) => {
    expect(errorsOf(value)).toEqual([{ pointer, detail }]);
  });

  test('is named among at most 16, whatever else is wrong', () => {
    const unknown = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`x${n}`, n]));
    const errors = errorsOf({ ...unknown, count: 'a' });
    expect(errors).toHaveLength(16);
    expect(errors.slice(0, 2)).toEqual([
      { pointer: '/plaintext', detail: 'is required' },
      { pointer: '/count', detail: 'must be a number' },
    ]);
  });

  test('with a long name is named by its start', () => {
    expect(errorsOf({ plaintext, ['a'.repeat(500)]: 1 })[0]?.pointer).toBe(`/${'a'.repeat(64)}`);
  });
});

test('the suggested name is one that could have been meant, or none', () => {
  const known = ['plaintext', 'encryptionContext', 'key', 'to'];
  expect(nearestName('plaintxt', known)).toBe('plaintext');
  expect(nearestName('PLAINTEXT', known)).toBe('plaintext');
  expect(nearestName('context', known)).toBe('encryptionContext');
  expect(nearestName('kye', known)).toBeUndefined(); // two letters of three
  expect(nearestName('ciphertext', known)).toBeUndefined();
  expect(nearestName('x', [])).toBeUndefined();
});
