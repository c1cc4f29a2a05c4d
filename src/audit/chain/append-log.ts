import type { Soon } from '../../lib/when-ready.ts';

/** The kinds of change that another program made to a file while it was written. */
export type Interference = 'removed' | 'replaced' | 'truncated' | 'written by another';

/** The calls of a file that an audit chain needs. */
export interface AppendFile {
  /** Appends; may write only a part of the bytes. */
  write(bytes: Uint8Array): Soon<{ readonly bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  /** Resolves when the disk has everything that was written. */
  datasync(): Promise<void>;
  /**
   * Returns the change that another program made to the file; undefined while its path leads to it
   * and it has `length` bytes.
   */
  interference(length: number): Interference | undefined;
  close(): Promise<void>;
}

export interface Appended {
  /** The number of lines that the file has as a whole. */
  readonly lines: number;
  /** The reason that lines are missing. */
  readonly error?: Error;
  /**
   * Set when the file no longer belongs to the chain: none of the lines counts, and no more may be
   * written to it.
   */
  readonly interference?: Interference;
}

const NEWLINE = 0x0a;

/**
 * `write`: a line is safe from a crash of the process. `fsync`: from a crash of the machine too.
 */
export type Durability = 'write' | 'fsync';

/**
 * A file of whole lines. A line cut off by a failed write is removed before the next one. A whole
 * line is never removed, unless the disk did not store it. After a failed fsync, the content of
 * memory does not prove the content of the disk, so all of it is written again. After each append
 * the file must still be at its path and have the written length, or its records would be lost
 * without notice.
 */
export class AppendLog {
  readonly #file: AppendFile;
  readonly #durability: Durability;
  /** Bytes of whole lines. */
  #length = 0;
  #isTorn: boolean = false;
  #isAppending: boolean = false;

  constructor(file: AppendFile, durability: Durability = 'write') {
    this.#file = file;
    this.#durability = durability;
  }

  /** Returns the number of bytes in whole lines, which no later failure removes. */
  get length(): number {
    return this.#length;
  }

  /**
   * Appends lines, each with its newline. Never rejects: the number of stored lines matters as much
   * as the failure.
   */
  async append(text: string, lines: number): Promise<Appended> {
    this.#isAppending = true;
    const appended = await this.#append(Buffer.from(text), lines);
    this.#isAppending = false;
    return appended;
  }

  async #append(bytes: Buffer, lines: number): Promise<Appended> {
    const progress = { written: 0 };
    try {
      const before = this.#isTorn ? this.#file.interference(this.#length) : undefined;
      if (before !== undefined && before !== 'written by another') return { lines: 0, interference: before };
      await this.repair();
      await this.#writeAll(bytes, progress);
      if (this.#durability === 'fsync') await this.#file.datasync();
      const interference = this.#file.interference(this.#length + bytes.length);
      if (interference !== undefined) return await this.#takeBack(interference);
      this.#length += bytes.length;
      return { lines };
    } catch (error) {
      const written = bytes.subarray(0, this.#durability === 'fsync' ? 0 : progress.written);
      this.#length += written.lastIndexOf(NEWLINE) + 1;
      // Even a write that reports no bytes may have left some.
      this.#isTorn = true;
      return { lines: countLines(written), error: asError(error) };
    }
  }

  async close(): Promise<void> {
    try {
      await this.repair();
    } finally {
      await this.#file.close();
    }
  }

  /**
   * Returns the change that another program made to the file since the last append. Returns
   * undefined while an append runs, which checks this itself.
   * @throws the system's error
   */
  interference(): Interference | undefined {
    return this.#isTorn || this.#isAppending ? undefined : this.#file.interference(this.#length);
  }

  /** Removes a torn line, if there is one. */
  async repair(): Promise<void> {
    if (!this.#isTorn) return;
    await this.#file.truncate(this.#length);
    this.#isTorn = false;
  }

  /**
   * Removes the lines from a file that was moved: they are written again elsewhere, and a second
   * copy would break the chain.
   */
  async #takeBack(interference: Interference): Promise<Appended> {
    const isWhole = interference === 'removed' || interference === 'replaced';
    if (isWhole) await this.#file.truncate(this.#length).catch(() => undefined);
    return { lines: 0, interference };
  }

  async #writeAll(bytes: Uint8Array, progress: { written: number }): Promise<void> {
    while (progress.written < bytes.length) {
      const { bytesWritten } = await this.#file.write(
        progress.written === 0 ? bytes : bytes.subarray(progress.written),
      );
      if (bytesWritten === 0) throw new Error('No byte could be written to the file');
      progress.written += bytesWritten;
    }
  }
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (const byte of bytes) if (byte === NEWLINE) lines += 1;
  return lines;
}

const asError = (thrown: unknown): Error => (Error.isError(thrown) ? thrown : new Error(String(thrown)));
