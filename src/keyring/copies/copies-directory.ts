import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { keyLine, type LinedKey } from '../key-line.ts';

export interface CopiesDirectoryOptions {
  readonly directory: string;
  /** Ends the name of this process's file, so that no two processes write one. */
  readonly processId: string;
  readonly wallMs: () => number;
}

interface Waiting extends PromiseWithResolvers<void> {
  readonly text: string;
}

/**
 * Copies of branch keys in a folder: each process appends to a file of its own, readable by its
 * user alone. A line is on the disk once its promise resolves.
 */
export class CopiesDirectory {
  readonly #options: CopiesDirectoryOptions;
  #file: FileHandle | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #isClosed: boolean = false;

  constructor(options: CopiesDirectoryOptions) {
    this.#options = options;
  }

  /**
   * Appends a line for each key. Rejects with the system's error, and after `close`: a later start
   * copies those keys.
   */
  append(keys: readonly LinedKey[]): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error('The folder of copies was closed'));
    const text = keys.map((key) => `${keyLine(key)}\n`).join('');
    const waiting = { text, ...Promise.withResolvers<void>() };
    this.#waiting.push(waiting);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return waiting.promise;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const together = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(together.map(({ text }) => text).join(''));
        for (const { resolve } of together) resolve();
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
  }

  async #write(text: string): Promise<void> {
    this.#file ??= await this.#create();
    try {
      await this.#file.appendFile(text);
      await this.#file.datasync();
    } catch (error) {
      // A part of the text may be in the file: the next lines go to a new one.
      const file = this.#file;
      this.#file = undefined;
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  async #create(): Promise<FileHandle> {
    const { directory, processId, wallMs } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const time = new Date(wallMs()).toISOString().replaceAll(/[-:.]/g, '');
    const file = await open(join(directory, `branch-keys-${time}-${processId}.ndjson`), 'ax', 0o600);
    const folder = await open(directory);
    try {
      await folder.sync(); // without this a crash may lose the file's name
    } finally {
      await folder.close();
    }
    return file;
  }
}
