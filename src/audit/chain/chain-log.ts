import { mkdir, open, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dayOf } from '../days.ts';
import { type Appended, type AppendFile, AppendLog, type Durability } from './append-log.ts';
import { chainFileName } from './chain-files.ts';
import { isGone } from './gone-files.ts';

export interface ChainLogOptions {
  /** Created when missing. */
  readonly directory: string;
  readonly chain: string;
  readonly durability: Durability;
  /** A file that has so many bytes gets no more; the write that reaches it may go over. */
  readonly maxFileBytes: number;
  /** Creates a file for appending and fails when it exists. */
  readonly createFile: (path: string, durability: Durability) => Promise<AppendFile>;
}

/** How far a chain stands on disk. */
export interface ChainPosition {
  /** The file that is written now, and its part of the chain. */
  readonly name: string;
  readonly part: number;
  /** Its bytes of whole lines, which no failure takes away any more. */
  readonly bytes: number;
  /** Of all its files together. */
  readonly totalBytes: number;
}

interface Part {
  readonly name: string;
  readonly part: number;
  readonly day: number;
  readonly log: AppendLog;
}

/** The files of one chain, written one after the other: a new one for each UTC day, and when the last one is large enough. */
export class ChainLog {
  readonly #options: ChainLogOptions;
  #current: Part;
  #finishedBytes = 0;
  /** The file was taken away underneath: what goes on into it is lost. */
  #isGone: boolean = false;

  private constructor(options: ChainLogOptions, first: Part) {
    this.#options = options;
    this.#current = first;
  }

  /** Creates the first file, for a record of this time. @throws the system's error */
  static async open(options: ChainLogOptions, at: number): Promise<ChainLog> {
    return new ChainLog(options, await createPart(options, 1, at));
  }

  position(): ChainPosition {
    const { name, part, log } = this.#current;
    return { name, part, bytes: log.length, totalBytes: this.#finishedBytes + log.length };
  }

  /** Appends lines, the first of them of this time, to the file whose turn it is. Never rejects. */
  async append(text: string, lines: number, at: number): Promise<Appended> {
    if (this.#isGone || dayOf(at) !== this.#current.day || this.#current.log.length >= this.#options.maxFileBytes) {
      try {
        await this.#goOn(at);
      } catch (error) {
        return { lines: 0, error: Error.isError(error) ? error : new Error(String(error)) };
      }
    }
    return this.#current.log.append(text, lines);
  }

  /** Marks the file as one that a living process writes, and notices when it is gone. Never rejects. */
  async touch(now: number): Promise<void> {
    const part = this.#current;
    try {
      await utimes(join(this.#options.directory, part.name), now / 1000, now / 1000);
    } catch (error) {
      if (isGone(error) && part === this.#current) this.#isGone = true;
    }
  }

  close(): Promise<void> {
    return this.#current.log.close();
  }

  async #goOn(at: number): Promise<void> {
    const before = this.#current;
    // A torn line in the middle of a chain would end it for every reader.
    await before.log.repair();
    this.#current = await createPart(this.#options, before.part + 1, at);
    this.#finishedBytes += before.log.length;
    this.#isGone = false;
    await before.log.close().catch(() => undefined); // each of its lines was accepted already
  }
}

async function createPart(options: ChainLogOptions, part: number, at: number): Promise<Part> {
  const { directory, chain, durability, createFile } = options;
  const name = chainFileName(new Date(at).toISOString(), chain, part);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = await createFile(join(directory, name), durability);
  return { name, part, day: dayOf(at), log: new AppendLog(file, durability) };
}

/** A file for its owner only. With `fsync` its name is on the disk too. */
export async function createOnDisk(path: string, durability: Durability): Promise<AppendFile> {
  const file = await open(path, 'ax', 0o600);
  try {
    if (durability === 'fsync') await syncDirectory(dirname(path));
    return file;
  } catch (error) {
    await file.close();
    await unlink(path);
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
