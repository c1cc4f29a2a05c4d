import { expect, test } from '@jest/globals';
import { defined } from '../../src/lib/defined.ts';

test('defined leaves out the members without a value, and keeps every other in its order', () => {
  const members = { zero: 0, absent: undefined, empty: '', no: false, nothing: null };
  const found = defined(members);
  expect(JSON.stringify(found)).toBe('{"zero":0,"empty":"","no":false,"nothing":null}');
  expect(Object.hasOwn(found, 'absent')).toBe(false);
});
