import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Removal } from '../chain/chain.ts';
import { type ChainFile, findEndOfFile, listChainFiles } from '../chain/chain-files.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { ignoreGone } from '../chain/gone-files.ts';
import { parseRecord } from '../chain/parse-record.ts';
import { readLines } from '../chain/read-lines.ts';

export interface RemoveFilesOptions {
  readonly directory: string;
  /** Takes the notes; its own current file stays. */
  readonly sink: Pick<FileSink, 'position' | 'recordRemoval'>;
  readonly cause: Removal['cause'];
  /** Milliseconds since 1970. A file that was written or touched since stays, and so does each after it in its chain. */
  readonly olderThan: number;
  /** Whether it may go for another reason; told its last record's time, undefined where it has no record. */
  readonly mayGo: (file: ChainFile, lastAt: number | undefined) => boolean;
}

/**
 * Removes beginnings of chains, whole files at a time, after a record of it in this process's own chain, by which a verifier knows
 * them from files that somebody else took away. Such records in what goes are repeated as long as they explain what stays. Names of what went.
 *
 * @throws ServiceError `audit-unavailable`, or the system's error; what is not removed then is the next time
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

/** What reaches further explains what an earlier removal did. */
export function keepFurther(notes: Map<string, Removal>, note: Removal): void {
  if ((notes.get(note.chain)?.through ?? -1) < note.through) notes.set(note.chain, note);
}

/** Where it ends; undefined when it stays, as a file does of which nobody could say where it ended. */
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
