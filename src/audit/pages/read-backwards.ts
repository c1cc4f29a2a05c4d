import { type FileHandle, open } from 'node:fs/promises';
import type { AuditPlace } from '../audit-table.ts';
import { MAX_LINE_BYTES, readBlock } from '../chain/read-lines.ts';

export interface PlacedLine {
  readonly place: AuditPlace;
  readonly bytes: Buffer;
}

const NEWLINE = 0x0a;
const BLOCK_BYTES = 64 * 1024;
const PROBE_BYTES = 16 * 1024;
/** Every line begins like this: `chain-writer.ts` makes them. Any other line is no record. */
const HEAD = /^\{"chain":"([0-9a-f-]{36})","sequence":(\d{1,15}),"at":"(\d{4}-\d\d-\d\dT[\d:.]{12}Z)"/;
const HEAD_BYTES = 128;

/**
 * Reads the lines of a chain's file from the last to the first, and skips those that are no record.
 */
export class BackwardReader {
  readonly #file: FileHandle;
  /** The bytes before this position have not been read; a line ends here. */
  #end: number;
  #lines: Buffer[] = [];

  private constructor(file: FileHandle, end: number) {
    this.#file = file;
    this.#end = end;
  }

  /** Returns a reader that begins shortly after the last record that is not newer than `at`. */
  static async open(path: string, at: number): Promise<BackwardReader> {
    const file = await open(path);
    const { size } = await file.stat();
    return new BackwardReader(file, await findEnd(file, size, at));
  }

  async next(): Promise<PlacedLine | undefined> {
    for (;;) {
      if (this.#lines.length === 0 && !(await this.#fill())) return;
      const bytes = this.#lines.pop();
      const place = bytes && placeOf(bytes);
      if (place) return { place, bytes };
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Returns false at the beginning of the file. */
  async #fill(): Promise<boolean> {
    for (let length = BLOCK_BYTES; this.#end > 0; length *= 2) {
      const start = Math.max(0, this.#end - length);
      const block = await readBlock(this.#file, start, this.#end - start);
      // The first line of a block may be the end of a longer one.
      const cut = start === 0 ? 0 : block.indexOf(NEWLINE) + 1;
      const isOneLine = start > 0 && (cut === 0 || cut === block.length);
      if (isOneLine && length <= MAX_LINE_BYTES) continue;
      this.#end = isOneLine ? start : start + cut;
      this.#lines = isOneLine ? [] : wholeLines(block.subarray(cut));
      return true;
    }
    return false;
  }
}

function wholeLines(block: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, start)) {
    lines.push(block.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function placeOf(line: Buffer): AuditPlace | undefined {
  const [, chain, sequence, at] = HEAD.exec(line.toString('latin1', 0, HEAD_BYTES)) ?? [];
  const time = Date.parse(at ?? '');
  return chain === undefined || Number.isNaN(time) ? undefined : { at: time, chain, sequence: Number(sequence) };
}

/**
 * Returns the end of the part to read. It halves the file until the part with newer records is
 * small: times never decrease in a chain.
 */
async function findEnd(file: FileHandle, size: number, at: number): Promise<number> {
  let [low, high] = [0, size];
  while (high - low > 2 * BLOCK_BYTES) {
    const middle = Math.floor((low + high) / 2);
    const block = await readBlock(file, middle, PROBE_BYTES);
    const start = block.indexOf(NEWLINE) + 1;
    const place = start > 0 ? placeOf(block.subarray(start)) : undefined;
    if (!place) return high;
    if (place.at > at) high = middle + start;
    else low = middle;
  }
  return high;
}
