import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { CommandIo } from './command.ts';
import { showProgress } from './progress.ts';
import { CutError, type StreamBody } from './stream-call.ts';

const PIECE_BYTES = 1_048_576;

/** A file as the body of a request, or standard input for `-`; where somebody watches, they see how far it is. */
export async function fileSource(path: string, io: CommandIo): Promise<StreamBody> {
  if (path === '-') return { source: showProgress(io.stdin(), undefined, io), bytes: undefined };
  const info = await stat(path);
  // A pipe or a device has no length to tell.
  const bytes = info.isFile() ? info.size : undefined;
  return { source: showProgress(piecesOf(path, bytes), bytes, io), bytes };
}

/** Not a byte more than was told ahead, and a failure where it is less. */
async function* piecesOf(path: string, bytes: number | undefined): AsyncGenerator<Buffer> {
  if (bytes === 0) return;
  const end = bytes === undefined ? Number.POSITIVE_INFINITY : bytes - 1;
  let read = 0;
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES, end }) as AsyncIterable<Buffer>) {
    read += piece.length;
    yield piece;
  }
  if (bytes !== undefined && read < bytes) throw new CutError(`${path} became shorter while it was read`);
}
