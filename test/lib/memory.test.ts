import { expect, test } from '@jest/globals';
import { releaseMemory } from '../../src/lib/memory.ts';

test('a long buffer has no memory after its release', () => {
  const bytes = Buffer.alloc(100_000, 1);
  const { buffer } = bytes;
  releaseMemory(bytes);
  expect(bytes.length).toBe(0);
  expect(buffer.byteLength).toBe(0);
  expect(() => releaseMemory(bytes)).not.toThrow();
});

test.each([
  ['a part of a longer buffer', Buffer.alloc(100_000, 1).subarray(1)],
  ['a short buffer', Buffer.alloc(1_000, 1)],
  ['shared memory', new Uint8Array(new SharedArrayBuffer(100_000)).fill(1)],
])('%s keeps its memory', (_name, bytes) => {
  const { length } = bytes;
  releaseMemory(bytes);
  expect(bytes.length).toBe(length);
  expect(bytes.at(-1)).toBe(1);
});
