/** The calls of a file that an audit chain needs; Node's FileHandle opened for appending is one. */
export interface AppendFile {
  /** Appends; may write less than it was given. */
  write(bytes: Uint8Array): Promise<{ readonly bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  /** Returns when the disk has what was written. */
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface Appended {
  /** How many of the lines stand whole in the file. */
  readonly lines: number;
  /** Why it is not all of them. */
  readonly error?: Error;
}

const NEWLINE = 0x0a;

/** `write`: a line is safe from a crash of the process. `fsync`: from a crash of the machine too. */
export type Durability = 'write' | 'fsync';

/**
 * A file of whole lines. A line cut off by a failed write is removed before the next one; a whole line never is, unless the disk
 * did not take it: what a failed fsync leaves in memory is no proof of what the disk has, so all of it is written again.
 */
export class AppendLog {
  readonly #file: AppendFile;
  readonly #durability: Durability;
  /** Bytes of whole lines. */
  #length = 0;
  #isTorn: boolean = false;

  constructor(file: AppendFile, durability: Durability = 'write') {
    this.#file = file;
    this.#durability = durability;
  }

  /** Bytes of whole lines: no later failure takes them away. */
  get length(): number {
    return this.#length;
  }

  /** Appends lines, each with its newline. Never rejects: how far it came matters as much as the failure. */
  async append(text: string, lines: number): Promise<Appended> {
    const bytes = Buffer.from(text);
    const progress = { written: 0 };
    try {
      await this.repair();
      await this.#writeAll(bytes, progress);
      if (this.#durability === 'fsync') await this.#file.datasync();
      this.#length += bytes.length;
      return { lines };
    } catch (error) {
      const written = bytes.subarray(0, this.#durability === 'fsync' ? 0 : progress.written);
      this.#length += written.lastIndexOf(NEWLINE) + 1;
      // Even a write that reports nothing may have left something.
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

  /** Removes a torn line, if there is one. */
  async repair(): Promise<void> {
    if (!this.#isTorn) return;
    await this.#file.truncate(this.#length);
    this.#isTorn = false;
  }

  async #writeAll(bytes: Uint8Array, progress: { written: number }): Promise<void> {
    while (progress.written < bytes.length) {
      const { bytesWritten } = await this.#file.write(
        progress.written === 0 ? bytes : bytes.subarray(progress.written),
      );
      if (bytesWritten === 0) throw new Error('The file took no byte.');
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
