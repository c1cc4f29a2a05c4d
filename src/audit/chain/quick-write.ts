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
  /** Monotonic milliseconds. */
  readonly clockMs: () => number;
}

/** A write into the system's memory takes some microseconds. The mean rides out a thread that lost its core for once. */
const SLOW_MEAN_MS = 1;
const MEAN_OF_WRITES = 8;
/** How long a slow disk is left to the pool. */
const LATER_MS = 10_000;

export const writersOf = (file: FileHandle): Writers => ({
  now: (bytes) => writeSync(file.fd, bytes),
  later: (bytes) => file.write(bytes),
  clockMs: () => performance.now(),
});

/**
 * Returns a function that appends to a file on this thread while that is quick. The system then only
 * copies the bytes: 8 µs for eight lines, where the pool takes 50 µs of CPU. When writes become slow
 * the pool writes for a while, so that a slow disk stops the main thread a few times in that time.
 */
export function quickWrite({ now, later, clockMs }: Writers): (bytes: Uint8Array) => Soon<Written> {
  let laterUntil = Number.NEGATIVE_INFINITY;
  let meanMs = 0;
  return (bytes) => {
    const startedAt = clockMs();
    if (startedAt < laterUntil) return later(bytes);
    const bytesWritten = now(bytes);
    const endedAt = clockMs();
    meanMs += (endedAt - startedAt - meanMs) / MEAN_OF_WRITES;
    if (meanMs > SLOW_MEAN_MS) {
      laterUntil = endedAt + LATER_MS;
      meanMs = 0;
    }
    return { bytesWritten };
  };
}
