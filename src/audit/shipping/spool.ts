import { join } from 'node:path';
import { statIfThere } from '../../lib/gone-files.ts';
import type { AuditPlace } from '../audit-table.ts';
import type { Removal } from '../chain/chain.ts';
import { type ChainFile, listChainFiles } from '../chain/chain-files.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { removeFiles } from '../retention/remove-files.ts';

export interface SpoolOptions {
  readonly directory: string;
  readonly sink: Pick<FileSink, 'chain' | 'position' | 'recordRemoval'>;
  readonly now: () => number;
  /** How often the spool looks for files of other processes. */
  readonly scanMs: number;
  /** A file that stays unchanged for this time belongs to a process that has ended. */
  readonly idleMs: number;
  /** How long a file stays after it was shipped. */
  readonly keepMs: number;
  readonly onBadFile: (file: string, problem: unknown) => void;
}

/** The shipping position of one file. */
export interface SpoolFile {
  readonly file: ChainFile;
  readonly isOwn: boolean;
  offset: number;
  /** Sequence number of the last record that was read; -1 at the beginning. */
  lastRead: number;
  size: number;
  mtimeMs: number;
  /** Monotonic time since which size and modification time are the same. */
  unchangedSince: number;
  /** Monotonic time since which all of it is shipped; undefined until then. */
  doneSince: number | undefined;
  /** Records that were past their retention and are not recorded as removed yet. */
  skipped: Removal | undefined;
}

/** The records of one chain in the table, as far as this process knows. */
export interface SpoolChain {
  readonly id: string;
  /** The first record to be shipped; undefined until the table was queried. */
  next: number | undefined;
  /** The last record in the table. */
  last: AuditPlace | undefined;
}

/** After a clock jump, files that only look old are kept for this time. */
const HOUR_MS = 3_600_000;

/**
 * The files that wait for the database: this process's own at once, those of others once their
 * writers have ended.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #files = new Map<string, SpoolFile>();
  readonly #chains = new Map<string, SpoolChain>();
  readonly #reported = new Set<string>();
  #ownBytes = 0;
  #othersBytes = 0;
  #scannedAt = Number.NEGATIVE_INFINITY;
  #scannedPart = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  waitingBytes(): number {
    return this.#options.sink.position().totalBytes - this.#ownBytes + this.#othersBytes;
  }

  /** Returns the files that are not shipped yet, oldest first. */
  waiting(): readonly SpoolFile[] {
    return [...this.#files.values()].filter(({ doneSince }) => doneSince === undefined);
  }

  chains(): Iterable<SpoolChain> {
    return this.#chains.values();
  }

  chainOf({ file }: SpoolFile): SpoolChain {
    return this.#chains.getOrInsertComputed(file.chain, (id) => ({ id, next: undefined, last: undefined }));
  }

  isLastPart({ file }: SpoolFile): boolean {
    return ![...this.#files.values()].some((other) => other.file.chain === file.chain && other.file.part > file.part);
  }

  addShipped(file: SpoolFile, bytes: number): void {
    file.offset += bytes;
    if (file.isOwn) this.#ownBytes += bytes;
    else this.#othersBytes -= bytes;
  }

  /** Reports each problem of a file once. */
  report(name: string, problem: unknown): void {
    const key = `${name}/${String(problem)}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#options.onBadFile(name, problem);
  }

  forget({ file }: SpoolFile): void {
    this.#files.delete(file.name);
  }

  /** Makes all files of a chain wait again, from their beginning. */
  restart(chain: string): void {
    for (const file of this.#files.values()) {
      if (file.file.chain !== chain) continue;
      Object.assign(file, { offset: 0, lastRead: -1, doneSince: undefined, skipped: undefined });
    }
    this.#countWaiting();
  }

  /**
   * Looks for new and removed files when it is time. Returns whether it was.
   * @throws the system's error
   */
  async scan(): Promise<boolean> {
    const { part } = this.#options.sink.position();
    const isDue = performance.now() - this.#scannedAt >= this.#options.scanMs;
    if (!isDue && part === this.#scannedPart) return false;
    this.#scannedPart = part;
    this.#scannedAt = performance.now();
    const files = await listChainFiles(this.#options.directory);
    this.#dropRemoved(new Set(files.map(({ name }) => name)));
    for (const file of files) await this.#watch(file);
    this.#countWaiting();
    return isDue;
  }

  /**
   * Removes files that were shipped long enough ago, after it recorded this in this process's
   * chain.
   */
  async removeShipped(): Promise<void> {
    const { directory, sink } = this.#options;
    const mayGo = ({ name }: ChainFile) => this.#isPastKeeping(this.#files.get(name));
    try {
      await removeFiles({ directory, sink, cause: 'shipped', olderThan: Number.POSITIVE_INFINITY, mayGo });
    } catch (error) {
      this.#options.onBadFile(directory, error);
    }
  }

  /**
   * Returns whether a file was kept long enough: by its own time, or, if that is in the future, by
   * how long this process has seen it unchanged.
   */
  #isPastKeeping(file: SpoolFile | undefined): boolean {
    if (file?.doneSince === undefined) return false;
    const { keepMs, now } = this.#options;
    const doneMs = performance.now() - file.doneSince;
    const unchangedMs = performance.now() - file.unchangedSince;
    const isOld = now() - file.mtimeMs > keepMs && doneMs >= Math.min(keepMs, HOUR_MS);
    return isOld || Math.min(doneMs, unchangedMs) >= keepMs;
  }

  #dropRemoved(names: ReadonlySet<string>): void {
    for (const [name, { isOwn, doneSince, offset, size }] of this.#files) {
      if (names.has(name)) continue;
      this.#files.delete(name);
      if (isOwn && doneSince === undefined && offset < size)
        this.report(name, 'the file was removed before it was shipped');
    }
    const chains = new Set([...this.#files.values()].map(({ file }) => file.chain));
    for (const id of this.#chains.keys()) if (!chains.has(id)) this.#chains.delete(id);
  }

  async #watch(file: ChainFile): Promise<void> {
    const isOwn = file.chain === this.#options.sink.chain;
    const known = this.#files.get(file.name);
    if (known?.doneSince !== undefined && isOwn) return;
    const stats = await statIfThere(join(this.#options.directory, file.name));
    if (!stats) return;
    const { size, mtimeMs } = stats;
    if (known && (known.size !== size || known.mtimeMs !== mtimeMs)) {
      // A process that seemed to have ended has written more.
      if (size !== known.size) known.doneSince = undefined;
      Object.assign(known, { size, mtimeMs, unchangedSince: performance.now() });
    }
    const unchangedSince = performance.now();
    const begun = { file, isOwn, offset: 0, lastRead: -1, size, mtimeMs, unchangedSince };
    if (!known) this.#files.set(file.name, { ...begun, doneSince: undefined, skipped: undefined });
  }

  /** Returns whether a file is this process's own, or its writer has ended. */
  isReady({ isOwn, mtimeMs, unchangedSince }: SpoolFile): boolean {
    const { idleMs, now } = this.#options;
    return isOwn || now() - mtimeMs >= idleMs || performance.now() - unchangedSince >= idleMs;
  }

  /** Counts again, since files may be new or removed. */
  #countWaiting(): void {
    const { name, bytes, totalBytes } = this.#options.sink.position();
    const waiting = { own: 0, others: 0 };
    for (const spooled of this.waiting()) {
      const { file, isOwn, size, offset } = spooled;
      if (this.isReady(spooled)) waiting[isOwn ? 'own' : 'others'] += (file.name === name ? bytes : size) - offset;
    }
    this.#ownBytes = totalBytes - waiting.own;
    this.#othersBytes = waiting.others;
  }
}
