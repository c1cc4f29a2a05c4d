import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/**
 * No record comes near this size: the size of request headers bounds what a caller can put into
 * one.
 */
export const MAX_LINE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;
const TAIL_BYTES = 64 * 1024;
/** About 800 records: parsing them blocks the event loop for 2 ms. */
const LINES_BYTES = 512 * 1024;

/** Returns the last line that ends with a newline, without the newline. */
export async function readLastLine(file: FileHandle): Promise<Buffer | undefined> {
  const { size } = await file.stat();
  for (let length = TAIL_BYTES; length <= 4 * MAX_LINE_BYTES; length *= 2) {
    const start = Math.max(0, size - length);
    const tail = await readBlock(file, start, size - start);
    const end = tail.lastIndexOf(NEWLINE);
    const before = end > 0 ? tail.lastIndexOf(NEWLINE, end - 1) : -1;
    if (end >= 0 && (before >= 0 || start === 0)) return tail.subarray(before + 1, end);
    if (start === 0) return;
  }
}

/** Returns `length` bytes from `start` on, or as many as exist. */
export async function readBlock(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const block = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(block, filled, length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}

/**
 * Returns the lines between two positions of a file, many at once, each with its newline. A torn
 * line at the end is left out.
 */
export async function* readWholeLines(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  let [offset, length] = [start, LINES_BYTES];
  while (offset < end && length <= 4 * MAX_LINE_BYTES) {
    const block = await readBlock(file, offset, Math.min(length, end - offset));
    const lines = block.subarray(0, block.lastIndexOf(NEWLINE) + 1);
    if (lines.length > 0) yield lines;
    offset += lines.length;
    length = lines.length > 0 ? LINES_BYTES : length * 2;
  }
}

/**
 * Returns the lines of a file, each with its newline; a last one without is torn. JSON is UTF-8: a
 * line that is not becomes an empty one, which no verifier accepts as a record. So does a line that
 * is too long, and nothing is read after it.
 */
export async function* readLines(path: string, signal?: AbortSignal): AsyncGenerator<string, void, void> {
  let rest: Uint8Array<ArrayBufferLike> = Buffer.alloc(0);
  const chunks: AsyncIterable<Buffer> = createReadStream(path, signal === undefined ? {} : { signal });
  for await (const chunk of chunks) {
    const block = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, start)) {
      yield decodeLine(block.subarray(start, end + 1));
      start = end + 1;
    }
    rest = block.subarray(start);
    if (rest.length > MAX_LINE_BYTES) {
      yield NOT_TEXT;
      return;
    }
  }
  if (rest.length > 0) yield decodeLine(rest);
}

const NOT_TEXT = '\n';

// Lenient decoding, or dropping a byte order mark, would let bytes change without the text
// changing.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeLine(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return NOT_TEXT;
  }
}
