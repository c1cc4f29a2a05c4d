import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { CommandIo } from './command.ts';
import { showProgress } from './progress.ts';

const PIECE_BYTES = 1_048_576;

/**
 * Returns the bytes of a file, or of standard input for `-`, with a progress line if standard error
 * is a terminal. A file is read to its real end: some report a size of 0, and others grow.
 */
export async function fileSource(path: string, io: CommandIo): Promise<AsyncIterable<Uint8Array>> {
  if (path === '-') return showProgress(io.stdin(), undefined, io);
  const info = await stat(path);
  const pieces: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: PIECE_BYTES });
  return showProgress(pieces, info.isFile() && info.size > 0 ? info.size : undefined, io);
}
