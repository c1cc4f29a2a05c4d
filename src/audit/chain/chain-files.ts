import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashLine } from './chain.ts';
import type { ChainEnd } from './chain-writer.ts';
import { parseRecord } from './parse-record.ts';
import { readLastLine } from './read-lines.ts';

const CHAIN_FILE =
  /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{6})\.ndjson$/;

/** One file of a chain. A chain begins in part 1 and continues in the next, record after record. */
export interface ChainFile {
  readonly name: string;
  readonly chain: string;
  readonly part: number;
  /** Time of its first record, milliseconds since 1970. */
  readonly startsAt: number;
}

/**
 * `20261122T004600123Z-<chain>-<part>.ndjson`: names sort by the time of the file's first record,
 * which is `at`.
 */
export const chainFileName = (at: string, chain: string, part: number): string =>
  `${at.replaceAll(/[-:.]/g, '')}-${chain}-${String(part).padStart(6, '0')}.ndjson`;

/** Returns the parts of a file name; undefined for a file that belongs to no chain. */
export function parseChainFileName(name: string): ChainFile | undefined {
  const match = CHAIN_FILE.exec(name);
  if (!match) return;
  const [, year, month, day, hour, minute, second, millisecond, chain = '', part] = match;
  const startsAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${millisecond}Z`);
  return Number.isNaN(startsAt) ? undefined : { name, chain, part: Number(part), startsAt };
}

/**
 * Returns the files of all chains in a directory, the oldest first.
 * @throws the system's error
 */
export async function listChainFiles(directory: string): Promise<ChainFile[]> {
  const names = (await readdir(directory)).sort();
  return names.map(parseChainFileName).filter((file) => file !== undefined);
}

/**
 * Returns where the newest chain of a directory ends; undefined when there is none. A torn last
 * line is skipped.
 */
export async function findChainEnd(directory: string): Promise<ChainEnd | undefined> {
  for (const { name, chain } of (await listChainFiles(directory)).reverse()) {
    const end = await findEndOfFile(join(directory, name));
    if (typeof end === 'object' && end.chain === chain) return end;
  }
}

type FileEnd = ChainEnd & { readonly at: string; readonly isClosed: boolean };

/**
 * Returns the last record of one file; `empty` without a whole line, `unknown` when the last line
 * is no record.
 */
export async function findEndOfFile(path: string): Promise<FileEnd | 'empty' | 'unknown'> {
  const file = await open(path);
  try {
    const line = await readLastLine(file);
    if (!line) return 'empty';
    const record = parseRecord(line.toString());
    if (typeof record === 'string') return 'unknown';
    const { chain, sequence, at, type } = record;
    return { chain, sequence, hash: hashLine(line), at, isClosed: type === 'close' };
  } finally {
    await file.close();
  }
}
