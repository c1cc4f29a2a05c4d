import { expect, test } from '@jest/globals';
import { quickWrites } from '../../src/audit/chain/quick-write.ts';

const LINE = Buffer.from('{}\n');

/** Returns a writer whose next writes on this thread take so many milliseconds, and how it wrote. */
function disk() {
  const threads: ('this' | 'pool')[] = [];
  const state: { nowMs: number; takesMs: number; fails: boolean } = { nowMs: 1_000, takesMs: 0, fails: false };
  const writes = quickWrites(() => state.nowMs);
  const open = () =>
    writes({
      now: ({ length }) => {
        threads.push('this');
        state.nowMs += state.takesMs;
        if (state.fails) throw new Error('EIO');
        return length;
      },
      later: async ({ length }) => {
        threads.push('pool');
        state.nowMs += state.takesMs;
        return { bytesWritten: length };
      },
    });
  return { write: open(), open, threads, state };
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
  state.takesMs = 0;
  expect(await write(LINE)).toEqual({ bytesWritten: 3 });
  state.nowMs += 9_999;
  await write(LINE);
  expect(threads.slice(waits - 1)).toEqual(['this', 'pool', 'pool']);
  state.nowMs += 1;
  await write(LINE);
  await write(LINE);
  expect(threads.slice(waits + 2)).toEqual(['this', 'this']);
});

test('a disk that stalls each minute stops this thread a few times, then no more', async () => {
  const { write, threads, state } = disk();
  const stops: number[] = [];
  for (const end = state.nowMs + 3_600_000; state.nowMs < end; state.nowMs += 1_000) {
    state.takesMs = threads.length % 60 === 0 ? 500 : 0.1;
    await write(LINE);
    if (state.takesMs === 500 && threads.at(-1) === 'this') stops.push(state.nowMs);
  }
  expect(stops.length).toBeGreaterThan(1);
  expect(stops.length).toBeLessThan(6); // of 60 stalls
  expect(stops.every((at) => at < 600_000)).toBe(true);
});

test('a disk that stalls while the pool writes is left to it until no write has stalled for 10 s', async () => {
  const { write, threads, state } = disk();
  const after = async (ms: number, takesMs: number) => {
    state.nowMs += ms;
    state.takesMs = takesMs;
    await write(LINE);
    return threads.at(-1);
  };
  expect(await after(0, 500)).toBe('this');
  for (let n = 0; n < 5; n += 1) expect(await after(9_000, 500)).toBe('pool');
  expect(await after(9_999, 0.1)).toBe('pool');
  expect(await after(10_000, 0.1)).toBe('this');
});

test('a disk that was quick for ten pauses is left to the pool for 10 s again', async () => {
  const { write, threads, state } = disk();
  const after = async (ms: number, takesMs: number) => {
    state.nowMs += ms;
    state.takesMs = takesMs;
    await write(LINE);
    return threads.at(-1);
  };
  expect(await after(0, 500)).toBe('this');
  expect(await after(10_000, 500)).toBe('this'); // the pause is 20 s now
  expect(await after(19_999, 0)).toBe('pool');
  expect(await after(200_001, 500)).toBe('this');
  expect(await after(10_000, 0)).toBe('this');
});

test("a chain's next file on a slow disk is left to the pool too", async () => {
  const { write, open, threads, state } = disk();
  state.takesMs = 500;
  await write(LINE);
  await open()(LINE);
  expect(threads).toEqual(['this', 'pool']);
});

test('a write that fails after a long time is a slow one', async () => {
  const { write, threads, state } = disk();
  state.takesMs = 30_000;
  state.fails = true;
  expect(() => write(LINE)).toThrow('EIO');
  state.fails = false;
  await write(LINE);
  expect(threads).toEqual(['this', 'pool']);
});

test('a failed write fails the append, and the next one is tried', () => {
  const failures = [new Error('ENOSPC')];
  const write = quickWrites(() => 0)({
    now: ({ length }) => {
      const failure = failures.pop();
      if (failure) throw failure;
      return length;
    },
    later: () => Promise.reject(new Error('not used')),
  });
  expect(() => write(LINE)).toThrow('ENOSPC');
  expect(write(LINE)).toEqual({ bytesWritten: 3 });
});
