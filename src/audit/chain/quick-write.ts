import { writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { Soon } from '../../lib/when-ready.ts';

interface Written {
  readonly bytesWritten: number;
}

/** Two ways to append to one file. */
export interface Writers {
  /** Writes on this thread. */
  readonly now: (bytes: Uint8Array) => number;
  /** Writes on a thread of Node's pool. */
  readonly later: (bytes: Uint8Array) => Promise<Written>;
}

/** Returns a function that appends to a file, on the thread that is best now. */
export type QuickWrites = (writers: Writers) => (bytes: Uint8Array) => Soon<Written>;

/** A write into the system's memory takes some microseconds. The mean rides out a thread that lost its core for once. */
const SLOW_MEAN_MS = 1;
const MEAN_OF_WRITES = 8;
/** A write of the pool that takes this long met a disk that stalls. The turns of a busy event loop are shorter. */
const STALL_MS = 50;
/** How long a slow disk is left to the pool. */
const SHORTEST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 600_000;
/** The disk must be quick for so many pauses, or the next pause is twice as long. */
const QUICK_PAUSES = 10;

export const writersOf = (file: FileHandle): Writers => ({
  now: (bytes) => writeSync(file.fd, bytes),
  later: (bytes) => file.write(bytes),
});

/**
 * Returns writes of the files of one disk, on this thread while that is quick. The system then only
 * copies the bytes: 8 µs for eight lines, where the pool takes 50 µs of CPU. When writes become slow
 * the pool writes, until none of its writes has stalled for a pause. If this thread meets a slow
 * write again soon after that, the pause doubles: a bad disk stops it a few times, then no more.
 * @param clockMs monotonic milliseconds
 */
export function quickWrites(clockMs: () => number): QuickWrites {
  let meanMs = 0;
  let pauseMs = 0;
  let pauseEndsAt = Number.NEGATIVE_INFINITY;

  const measure = (startedAt: number, endedAt: number): void => {
    meanMs += (endedAt - startedAt - meanMs) / MEAN_OF_WRITES;
    if (meanMs <= SLOW_MEAN_MS) return;
    const isSoon = startedAt - pauseEndsAt < QUICK_PAUSES * pauseMs;
    pauseMs = isSoon ? Math.min(2 * pauseMs, LONGEST_PAUSE_MS) : SHORTEST_PAUSE_MS;
    pauseEndsAt = endedAt + pauseMs;
    meanMs = 0;
  };
  const measured = async (written: Promise<Written>, startedAt: number): Promise<Written> => {
    try {
      return await written;
    } finally {
      const endedAt = clockMs();
      if (endedAt - startedAt >= STALL_MS) pauseEndsAt = endedAt + pauseMs;
    }
  };
  return ({ now, later }) =>
    (bytes) => {
      const startedAt = clockMs();
      if (startedAt < pauseEndsAt) return measured(later(bytes), startedAt);
      try {
        return { bytesWritten: now(bytes) };
      } finally {
        measure(startedAt, clockMs()); // of a failed write too, which a disk may answer late
      }
    };
}
