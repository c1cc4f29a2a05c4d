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

test('quick writes are made on this thread, and so are those after one that lost its core', async () => {
  const { write, threads, state } = disk();
  for (const takesMs of [0.1, 6, 0.1, 0.1]) {
    state.takesMs = takesMs;
    expect(write(LINE)).toEqual({ bytesWritten: 3 });
  }
  expect(threads).toEqual(['this', 'this', 'this', 'this']);
});

test.each([
  ['one that stalls', 21, 1],
  ['one that takes some milliseconds for each', 5, 2],
])('a slow disk is left to the pool for 10 s: %s', async (_case, takesMs, waits) => {
  const { write, threads, state } = disk();
  state.takesMs = takesMs;
  for (let n = 0; n < waits; n += 1) expect(write(LINE)).toEqual({ bytesWritten: 3 });
  expect(await write(LINE)).toEqual({ bytesWritten: 3 });
  state.nowMs += 9_999;
  await write(LINE);
  expect(threads.slice(waits - 1)).toEqual(['this', 'pool', 'pool']);
  state.nowMs += 1;
  state.takesMs = 0;
  await write(LINE);
  await write(LINE);
  expect(threads.slice(waits + 2)).toEqual(['this', 'this']);
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
