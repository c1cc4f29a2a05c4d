import { statSync } from 'node:fs';
import { type FileHandle, mkdir, open, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dayOf } from '../days.ts';
import { type Appended, type AppendFile, AppendLog, type Durability, type Interference } from './append-log.ts';
import { chainFileName } from './chain-files.ts';
import { type QuickWrites, quickWrites, writersOf } from './quick-write.ts';

export interface ChainLogOptions {
  /** Created when missing. */
  readonly directory: string;
  readonly chain: string;
  readonly durability: Durability;
  /** A file of this size gets no more lines; the write that reaches the size may exceed it. */
  readonly maxFileBytes: number;
  /** Creates a file for appending and fails when it exists. */
  readonly createFile: (path: string, durability: Durability) => Promise<AppendFile>;
  /** Called when another program removed or changed the current file. */
  readonly onInterference: (name: string, interference: Interference) => void;
}

/** The position that a chain has reached on disk. */
export interface ChainPosition {
  /** The file that is written now, and its part of the chain. */
  readonly name: string;
  readonly part: number;
  /** Its bytes of whole lines, which no failure removes. */
  readonly bytes: number;
  /** The bytes of all its files together. */
  readonly totalBytes: number;
}

interface Part {
  readonly name: string;
  readonly part: number;
  readonly day: number;
  readonly log: AppendLog;
}

/**
 * The files of one chain, written one after the other: a new one for each UTC day, and when the
 * current one reaches its size limit.
 */
export class ChainLog {
  readonly #options: ChainLogOptions;
  #current: Part;
  #finishedBytes = 0;
  /** Another program removed or changed the current file: lines written to it would be lost. */
  #isGone: boolean = false;
  #interferences = 0;

  private constructor(options: ChainLogOptions, first: Part) {
    this.#options = options;
    this.#current = first;
  }

  /**
   * Creates the first file, for a record of this time.
   * @throws the system's error
   */
  static async open(options: ChainLogOptions, at: number): Promise<ChainLog> {
    return new ChainLog(options, await createPart(options, 1, at));
  }

  /** Returns how often another program removed or changed the current file. */
  get interferences(): number {
    return this.#interferences;
  }

  position(): ChainPosition {
    const { name, part, log } = this.#current;
    return { name, part, bytes: log.length, totalBytes: this.#finishedBytes + log.length };
  }

  /**
   * Appends lines to the current file or to the next; `at` is the time of the first line. Never
   * rejects.
   */
  async append(text: string, lines: number, at: number): Promise<Appended> {
    const appended = await this.#appendOnce(text, lines, at);
    if (appended.interference === undefined) return appended;
    this.#reportGone(appended.interference);
    // The same lines go into a new file, because no request is answered before a file has them.
    const again = await this.#appendOnce(text, lines, at);
    if (again.interference === undefined) return again;
    this.#reportGone(again.interference);
    return { lines: 0, error: new Error(`the file was ${again.interference}`) };
  }

  /**
   * Marks the file as in use by a living process, and checks that it is still there. Never rejects.
   */
  async touch(now: number): Promise<void> {
    const part = this.#current;
    try {
      if (this.#isGone) return;
      const interference = part.log.interference();
      if (interference === undefined) await utimes(join(this.#options.directory, part.name), now / 1000, now / 1000);
      else this.#reportGone(interference);
    } catch {
      // The next append fails in the same way and reports the failure.
    }
  }

  close(): Promise<void> {
    return this.#current.log.close();
  }

  async #appendOnce(text: string, lines: number, at: number): Promise<Appended> {
    if (this.#isGone || dayOf(at) !== this.#current.day || this.#current.log.length >= this.#options.maxFileBytes) {
      try {
        await this.#goOn(at);
      } catch (error) {
        return { lines: 0, error: Error.isError(error) ? error : new Error(String(error)) };
      }
    }
    return this.#current.log.append(text, lines);
  }

  #reportGone(interference: Interference): void {
    this.#isGone = true;
    this.#interferences += 1;
    this.#options.onInterference(this.#current.name, interference);
  }

  async #goOn(at: number): Promise<void> {
    const before = this.#current;
    // A torn line in the middle of a chain would end the chain for every reader.
    if (!this.#isGone) await before.log.repair();
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

/**
 * Returns a function that creates a file that only its owner can read. With `fsync` its name is on
 * the disk too. The files share what is known of their disk: a chain has a new one often.
 */
export function filesOnDisk(): ChainLogOptions['createFile'] {
  const writes = quickWrites(() => performance.now());
  return async (path, durability) => {
    const file = await open(path, 'ax', 0o600);
    try {
      if (durability === 'fsync') await syncDirectory(dirname(path));
      return await watched(file, path, durability === 'write' ? writes : undefined);
    } catch (error) {
      await file.close();
      await unlink(path);
      throw error;
    }
  };
}

/**
 * Returns a file with a check of its path. Its lines are written on this thread while that is quick,
 * unless each write must wait for the disk anyway. One `stat` of the path detects every kind of change: a
 * moved or removed file is missing, a replaced one has another inode number. The call is
 * synchronous: right after a write the system answers from memory in 2 µs, while Node's thread pool
 * takes 20 µs.
 */
async function watched(file: FileHandle, path: string, writes: QuickWrites | undefined): Promise<AppendFile> {
  const { dev, ino } = await file.stat();
  return {
    write: writes ? writes(writersOf(file)) : (bytes) => file.write(bytes),
    truncate: (length) => file.truncate(length),
    datasync: () => file.datasync(),
    close: () => file.close(),
    interference(length) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (!found) return 'removed';
      if (found.ino !== ino || found.dev !== dev) return 'replaced';
      if (found.size === length) return undefined;
      return found.size < length ? 'truncated' : 'written by another';
    },
  };
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
