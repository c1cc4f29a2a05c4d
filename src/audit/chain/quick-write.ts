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

/** A write into the system's memory takes some microseconds. */
const SLOW_MS = 20;
/** How long a slow disk is left to the pool. */
const LATER_MS = 10_000;

export const writersOf = (file: FileHandle): Writers => ({
  now: (bytes) => writeSync(file.fd, bytes),
  later: (bytes) => file.write(bytes),
  clockMs: () => performance.now(),
});

/**
 * Returns a function that appends to a file on this thread while that is quick. The system then only
 * copies the bytes: 8 µs for eight lines, where the pool takes 50 µs of CPU. After a slow write the
 * pool writes for a while, so that a slow disk stops the main thread once in that time.
 */
export function quickWrite({ now, later, clockMs }: Writers): (bytes: Uint8Array) => Soon<Written> {
  let laterUntil = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    const startedAt = clockMs();
    if (startedAt < laterUntil) return later(bytes);
    const bytesWritten = now(bytes);
    const endedAt = clockMs();
    if (endedAt - startedAt > SLOW_MS) laterUntil = endedAt + LATER_MS;
    return { bytesWritten };
  };
}
