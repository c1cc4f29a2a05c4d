import { createReadStream } from 'node:fs';
import { MAX_LINE_BYTES } from '../key-line.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const PIECE_BYTES = 65_536;

/** A line of a file, by its place. */
export interface Place {
  /** Offset of its first byte. */
  readonly at: number;
  /** Its bytes without the newline; undefined if it is longer than the line of any key. */
  readonly bytes: Buffer | undefined;
  /** Whether a newline ends it: a process may still write the last line, or was killed meanwhile. */
  readonly isComplete: boolean;
}

/**
 * Returns the lines of a file that are not empty. Memory is bounded by the line of a key, whatever
 * the file contains: a file system may leave gigabytes of zeros after a loss of power.
 */
export async function* linesOf(file: string): AsyncGenerator<Place> {
  let start = 0;
  let parts: Buffer[] = [];
  let length = 0;
  const line = (isComplete: boolean): Place => {
    const joined = Buffer.concat(parts);
    const bytes = joined.at(-1) === RETURN ? joined.subarray(0, -1) : joined;
    return { at: start, bytes: length > MAX_LINE_BYTES ? undefined : bytes, isComplete };
  };
  for await (const chunk of createReadStream(file, { highWaterMark: PIECE_BYTES })) {
    let piece = chunk as Buffer;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE)) {
      length += end;
      if (length <= MAX_LINE_BYTES) parts.push(piece.subarray(0, end));
      if (length > 0) yield line(true);
      start += length + 1;
      [parts, length] = [[], 0];
      piece = piece.subarray(end + 1);
    }
    length += piece.length;
    if (length <= MAX_LINE_BYTES) parts.push(piece);
    else parts = [];
  }
  if (length > 0) yield line(false);
}
