import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/**
 * Resolves with true once the reader has all of the output, and with false once it has taken nothing for `stallMs`. Without `stallMs`
 * it waits for as long as the reader does.
 */
export function outputTaken(stream: Writable, stallMs?: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // A socket's timeout starts anew whenever the reader takes some of what waits. Files and terminals are written at once.
  if (stallMs !== undefined && stream instanceof Socket) stream.setTimeout(stallMs, () => resolve(false));
  stream.write('', () => resolve(true));
  return promise;
}
