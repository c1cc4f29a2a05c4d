import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hashLine } from './chain.ts';
import type { ChainEnd } from './chain-writer.ts';

/** No record comes near it: what a caller can put into one is bounded by the size of request headers. */
const MAX_LINE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;
const TAIL_BYTES = 64 * 1024;
const CHAIN_FILE = /^\d{8}T\d{9}Z-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.ndjson$/;

/** `20261122T004600123Z-<chain>.ndjson`: names sort by the time the chain began. `at` is that of its open record. */
export const chainFileName = (at: string, chain: string): string => `${at.replaceAll(/[-:.]/g, '')}-${chain}.ndjson`;

/** Where the newest chain of a directory stands; undefined when there is none. A torn last line is passed over. */
export async function findChainEnd(directory: string): Promise<ChainEnd | undefined> {
  const names = (await readdir(directory)).sort().reverse();
  for (const name of names) {
    const chain = CHAIN_FILE.exec(name)?.[1];
    const line = chain === undefined ? undefined : await findLastLine(join(directory, name));
    if (chain !== undefined && line !== undefined) return { chain, hash: hashLine(line) };
  }
}

async function findLastLine(path: string): Promise<Uint8Array | undefined> {
  const { size } = await stat(path);
  for (let length = TAIL_BYTES; length <= 4 * MAX_LINE_BYTES; length *= 2) {
    const start = Math.max(0, size - length);
    const tail = await readFrom(path, start);
    const end = tail.lastIndexOf(NEWLINE);
    const before = end > 0 ? tail.lastIndexOf(NEWLINE, end - 1) : -1;
    if (end >= 0 && (before >= 0 || start === 0)) return tail.subarray(before + 1, end);
    if (start === 0) return;
  }
}

async function readFrom(path: string, start: number): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync<Buffer>(createReadStream(path, { start })));
}

/**
 * The lines of a file, each with its newline; a last one without is torn. JSON is UTF-8: a line that is not comes out as
 * an empty one, which no verifier takes for a record. So does one that is too long, and nothing is read after it.
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

// Lenient decoding, or dropping a byte order mark, would let bytes change without the text changing.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeLine(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return NOT_TEXT;
  }
}
