import { expect, test } from '@jest/globals';
import { quickWrite } from '../../src/audit/chain/quick-write.ts';

const LINE = Buffer.from('{}\n');

/** Returns a writer whose next writes on this thread take so many milliseconds, and how it wrote. */
function disk() {
  const threads: ('this' | 'pool')[] = [];
  const state = { nowMs: 1_000, takesMs: 0 };
  const write = quickWrite({
    now: ({ length }) => {
      threads.push('this');
      state.nowMs += state.takesMs;
      return length;
    },
    later: async ({ length }) => {
      threads.push('pool');
      return { bytesWritten: length };
    },
    clockMs: () => state.nowMs,
  });
  return { write, threads, state };
}

test('quick writes are made on this thread', async () => {
  const { write, threads, state } = disk();
  state.takesMs = 20;
  for (let n = 0; n < 3; n += 1) expect(write(LINE)).toEqual({ bytesWritten: 3 });
  expect(threads).toEqual(['this', 'this', 'this']);
});

test('after a slow write the pool writes for 10 s, so that a slow disk stops the main thread once', async () => {
  const { write, threads, state } = disk();
  state.takesMs = 21;
  expect(write(LINE)).toEqual({ bytesWritten: 3 });
  expect(await write(LINE)).toEqual({ bytesWritten: 3 });
  state.nowMs += 9_999;
  await write(LINE);
  expect(threads).toEqual(['this', 'pool', 'pool']);
  state.nowMs += 1;
  state.takesMs = 0;
  await write(LINE);
  await write(LINE);
  expect(threads.slice(3)).toEqual(['this', 'this']);
});

test('a failed write fails the append, and the next one is tried', () => {
  const failures = [new Error('ENOSPC')];
  const write = quickWrite({
    now: ({ length }) => {
      const failure = failures.pop();
      if (failure) throw failure;
      return length;
    },
    later: () => Promise.reject(new Error('not used')),
    clockMs: () => 0,
  });
  expect(() => write(LINE)).toThrow('ENOSPC');
  expect(write(LINE)).toEqual({ bytesWritten: 3 });
});
