import { describe, expect, test } from '@jest/globals';
import type { NativeModule } from '../../src/format/native-gcm.ts';
import { builtModule } from '../support/native-module.ts';

const module = builtModule();
const { MAX_AAD, MAX_TEXT, SCRATCH_BYTES, KEY_AT, KEY_BYTES } = module;
const key = module.newKey(Buffer.alloc(32, 1));
const scratch = (bytes = SCRATCH_BYTES): Buffer => Buffer.alloc(bytes, 1);

/** Each call of the module with a scratch buffer and two lengths. */
const CALLS = [
  ['seal', (one: NativeModule, ...given: [Buffer, number, number]) => one.seal(key, ...given)],
  ['sealOnce', (one: NativeModule, ...given: [Buffer, number, number]) => one.sealOnce(...given)],
  ['open', (one: NativeModule, ...given: [Buffer, number, number]) => one.open(key, ...given)],
  ['openOnce', (one: NativeModule, ...given: [Buffer, number, number]) => one.openOnce(...given)],
] as const;

/** The native module checks lengths itself: JavaScript's checks could have a fault. */
describe.each(CALLS)('%s of the native module', (_name, call) => {
  test('accepts the largest lengths', () => {
    expect(() => call(module, scratch(), MAX_AAD, MAX_TEXT)).not.toThrow();
    expect(() => call(module, scratch(), 0, 0)).not.toThrow();
  });

  test.each([
    ['a longer header', MAX_AAD + 1, 0],
    ['a longer text', 0, MAX_TEXT + 1],
    ['the largest numbers', 2 ** 32 - 1, 2 ** 32 - 1],
    ['negative lengths', -1, -1],
  ])('refuses %s', (_what, aadBytes, textBytes) => {
    expect(() => call(module, scratch(), aadBytes, textBytes)).toThrow();
  });

  test.each([0, 10, SCRATCH_BYTES - 1, SCRATCH_BYTES + 1])('refuses a scratch buffer of %i bytes', (bytes) => {
    expect(() => call(module, scratch(bytes), 0, 0)).toThrow();
  });
});

test('a key of one use is overwritten, and a key of another length is refused', () => {
  for (const call of [module.sealOnce, module.openOnce]) {
    const shared = scratch();
    call(shared, 16, 16);
    expect(shared.subarray(KEY_AT, KEY_AT + KEY_BYTES)).toEqual(Buffer.alloc(KEY_BYTES));
  }
  for (const bytes of [0, 16, 31, 33]) expect(() => module.newKey(Buffer.alloc(bytes))).toThrow();
});

test('a key is no other object, and no other object is a key', () => {
  expect(() => module.seal({}, scratch(), 0, 0)).toThrow();
});
