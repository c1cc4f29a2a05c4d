import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/**
 * Resolves with true once the reader has all of the output, and with false once it has read nothing
 * for `stallMs`. Without `stallMs` the wait has no limit.
 */
export function outputTaken(stream: Writable, stallMs?: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // A socket's timeout restarts whenever the reader reads some of the waiting output. Files and
  // terminals are written at once.
  if (stallMs !== undefined && stream instanceof Socket) stream.setTimeout(stallMs, () => resolve(false));
  stream.write('', () => resolve(true));
  return promise;
}
