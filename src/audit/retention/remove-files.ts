import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreGone } from '../../lib/gone-files.ts';
import type { Removal } from '../chain/chain.ts';
import { type ChainFile, findEndOfFile, listChainFiles } from '../chain/chain-files.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { parseRecord } from '../chain/parse-record.ts';
import { readLines } from '../chain/read-lines.ts';

export interface RemoveFilesOptions {
  readonly directory: string;
  /** Receives a record of each removal. Its own current file stays. */
  readonly sink: Pick<FileSink, 'position' | 'recordRemoval'>;
  readonly cause: Removal['cause'];
  /**
   * Milliseconds since 1970. A file that was written or touched since then stays, and so do those
   * after it in its chain.
   */
  readonly olderThan: number;
  /**
   * Returns whether the file may be removed; `lastAt` is the time of its last record, undefined if
   * it has none.
   */
  readonly mayGo: (file: ChainFile, lastAt: number | undefined) => boolean;
}

/**
 * Removes the first files of chains and returns their names. It first records each removal in this
 * process's own chain, so that a verifier can distinguish them from files that someone else
 * removed. Such records within removed files are repeated while they explain what remains.
 * @throws ServiceError `audit-unavailable`, or the system's error; the next call removes the rest
 */
export async function removeFiles(options: RemoveFilesOptions): Promise<string[]> {
  const files = await listChainFiles(options.directory);
  const going: ChainFile[] = [];
  const notes = new Map<string, Removal>();
  for (const [chain, parts] of Map.groupBy(files, (file) => file.chain)) {
    let last: Removal | undefined;
    for (const file of parts.toSorted((a, b) => a.part - b.part)) {
      const end = await endOfRemovable(file, options);
      if (end === undefined) break;
      going.push(file);
      if (end !== 'empty') last = { cause: options.cause, chain, through: end.sequence, hash: end.hash };
    }
    if (last) notes.set(chain, last);
  }
  if (going.length === 0) return [];
  const staying = files.filter((file) => !going.includes(file));
  for (const note of await notesToRepeat(options.directory, going, staying)) keepFurther(notes, note);
  await Promise.all([...notes.values()].map((note) => options.sink.recordRemoval(note)));
  for (const { name } of going) await unlink(join(options.directory, name)).catch(ignoreGone);
  return going.map(({ name }) => name);
}

/** Keeps the removal that reaches further: it also explains the effect of the earlier one. */
export function keepFurther(notes: Map<string, Removal>, note: Removal): void {
  if ((notes.get(note.chain)?.through ?? -1) < note.through) notes.set(note.chain, note);
}

/**
 * Returns the end of a removable file; undefined when the file stays. A file whose last line is no
 * record stays.
 */
async function endOfRemovable(
  file: ChainFile,
  { directory, sink, olderThan, mayGo }: RemoveFilesOptions,
): Promise<Exclude<Awaited<ReturnType<typeof findEndOfFile>>, 'unknown'> | undefined> {
  if (file.name === sink.position().name) return;
  const path = join(directory, file.name);
  const stats = await stat(path).catch(ignoreGone);
  if (!stats || stats.mtimeMs >= olderThan) return;
  const end = await findEndOfFile(path);
  if (end === 'unknown') return;
  return mayGo(file, end === 'empty' ? undefined : Date.parse(end.at)) ? end : undefined;
}

async function notesToRepeat(
  directory: string,
  going: readonly ChainFile[],
  staying: readonly ChainFile[],
): Promise<Removal[]> {
  const notes: Removal[] = [];
  for (const { name } of going) {
    for await (const line of readLines(join(directory, name))) {
      if (!line.includes('"type":"removed"')) continue;
      const record = parseRecord(line);
      if (typeof record !== 'string' && record.removed) notes.push(record.removed);
    }
  }
  if (notes.length === 0) return [];
  const needed = new Set<string | undefined>(staying.map(({ chain }) => chain));
  for (const { name } of staying.filter(({ part }) => part === 1)) {
    needed.add(await continuedChain(join(directory, name)));
  }
  return notes.filter(({ chain }) => needed.has(chain));
}

async function continuedChain(path: string): Promise<string | undefined> {
  for await (const line of readLines(path)) {
    const record = parseRecord(line);
    return typeof record === 'string' ? undefined : record.continuesChain;
  }
}
