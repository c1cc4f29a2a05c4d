import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditRow, AuditTable } from '../audit-table.ts';
import { hashLine, type Removal } from '../chain/chain.ts';
import { type ChainFile, listChainFiles } from '../chain/chain-files.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { statIfThere } from '../chain/gone-files.ts';
import { readWholeLines } from '../chain/read-lines.ts';
import { DAY_MS } from '../days.ts';
import { removeFiles } from '../retention/remove-files.ts';
import { rowOf } from './shipped-row.ts';

export interface ShipperOptions {
  /** The spool. */
  readonly directory: string;
  readonly sink: Pick<FileSink, 'chain' | 'position' | 'recordRemoval'>;
  readonly table: Pick<AuditTable, 'add' | 'lastSequence'>;
  /** Most bytes that may wait for the database. */
  readonly maxSpoolBytes: number;
  /** Records older than so many milliseconds are not shipped any more: the table has no place for them. */
  readonly retentionMs?: number | undefined;
  readonly now?: () => number;
  readonly timing?: Partial<ShipperTiming>;
  /** Once when it begins, and once when it's over. */
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovery: () => void;
  /** A file that can't be read to its end, or holds what is no record. */
  readonly onBadFile: (file: string, problem: unknown) => void;
}

interface ShipperTiming {
  /** Between rounds, and after one that failed; milliseconds. */
  readonly intervalMs: number;
  readonly retryMs: number;
  /** How often files of other processes are looked for. */
  readonly scanMs: number;
  /** A file that nobody touched for so long belongs to a process that is gone. */
  readonly idleMs: number;
  /** How long a file stays after it was shipped. */
  readonly keepMs: number;
  /** Longest wait for the database at the end. */
  readonly closeMs: number;
}

const TIMING: ShipperTiming = {
  intervalMs: 500,
  retryMs: 5_000,
  scanMs: 30_000,
  idleMs: 120_000,
  keepMs: 3_600_000,
  closeMs: 5_000,
};

/** What waits for the database. */
export interface Backlog {
  readonly bytes: number;
  /** Of the oldest record known to wait; 0 when none does. */
  readonly ageSeconds: number;
}

/** How far one file is shipped. */
interface Progress {
  readonly file: ChainFile;
  readonly isOwn: boolean;
  /** First record that the table does not have. */
  firstSequence: number;
  offset: number;
  size: number;
  isDone: boolean;
  /** What was past its retention already and is not noted as such yet. */
  skipped: Removal | undefined;
}

/**
 * Brings the records of the spool into the database, in groups and in the order of their chains: its own as they come, and those of processes
 * that are gone. What was shipped twice is there once, so nothing need be remembered: after a restart the table itself says how far each
 * chain came. Records are accepted by the file; the database may be away as long as the spool has room.
 */
export class Shipper {
  readonly #options: ShipperOptions;
  readonly #timing: ShipperTiming;
  readonly #now: () => number;
  readonly #progress = new Map<string, Progress>();
  #ownBytes = 0;
  #othersBytes = 0;
  #scannedAt = Number.NEGATIVE_INFINITY;
  #scannedPart = 0;
  #oldestAt: number | undefined;
  #trouble: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isClosed: boolean = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#now = options.now ?? Date.now;
    this.#plan(this.#timing.intervalMs);
  }

  /** Why the database gets no records; undefined when all is well. */
  trouble(): string | undefined {
    return this.#trouble;
  }

  /** Why no more records may be taken, for they would have no place to wait. */
  limit(): string | undefined {
    return this.#waitingBytes() > this.#options.maxSpoolBytes ? 'the spool for the database is full' : undefined;
  }

  backlog(): Backlog {
    const bytes = this.#waitingBytes();
    const ageSeconds = bytes === 0 || this.#oldestAt === undefined ? 0 : (this.#now() - this.#oldestAt) / 1000;
    return { bytes, ageSeconds: Math.max(0, ageSeconds) };
  }

  /** Ships what waits now. Never rejects. */
  ship(): Promise<void> {
    this.#round ??= this.#shipAll().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  /** To be called after the sink's: ships the rest, as far as it goes in time. What stays is shipped by the next process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#timing.closeMs);
    await Promise.race([this.ship().then(() => this.ship()), late]);
    clearTimeout(timer);
  }

  #waitingBytes(): number {
    return this.#options.sink.position().totalBytes - this.#ownBytes + this.#othersBytes;
  }

  #plan(delayMs: number): void {
    const next = async () => {
      await this.ship();
      if (!this.#isClosed) this.#plan(this.#trouble === undefined ? this.#timing.intervalMs : this.#timing.retryMs);
    };
    this.#timer = setTimeout(() => void next(), delayMs).unref();
  }

  async #shipAll(): Promise<void> {
    try {
      await this.#scan();
      for (const progress of this.#progress.values()) {
        if (!progress.isDone) await this.#shipFile(progress);
      }
      if (this.#trouble !== undefined) this.#options.onRecovery();
      this.#trouble = undefined;
      this.#oldestAt = undefined;
    } catch (error) {
      this.#oldestAt ??= this.#now(); // for want of a better one, where it failed before it read any
      if (this.#trouble === undefined) this.#options.onTrouble(error);
      this.#trouble = 'the database takes no audit records';
    }
  }

  async #scan(): Promise<void> {
    const { part } = this.#options.sink.position();
    const isDue = this.#now() - this.#scannedAt >= this.#timing.scanMs;
    if (!isDue && part === this.#scannedPart) return;
    this.#scannedPart = part;
    this.#scannedAt = this.#now();
    const files = await listChainFiles(this.#options.directory);
    const names = new Set(files.map(({ name }) => name));
    for (const name of this.#progress.keys()) if (!names.has(name)) this.#progress.delete(name);
    for (const file of files) await this.#watch(file);
    if (isDue && !this.#isClosed) await this.#removeShipped();
    this.#countWaiting();
  }

  /** Its own files at once, others' when nobody writes them any more. */
  async #watch(file: ChainFile): Promise<void> {
    const isOwn = file.chain === this.#options.sink.chain;
    const known = this.#progress.get(file.name);
    if (known?.isDone && isOwn) return;
    const stats = await statIfThere(join(this.#options.directory, file.name));
    if (!stats || (!isOwn && this.#now() - stats.mtimeMs < this.#timing.idleMs)) return;
    if (known) {
      // A process that only seemed to be gone has written on.
      if (stats.size !== known.size) known.isDone = false;
      known.size = stats.size;
    } else {
      const firstSequence = isOwn ? 0 : -1;
      this.#progress.set(file.name, {
        file,
        isOwn,
        firstSequence,
        offset: 0,
        size: stats.size,
        isDone: false,
        skipped: undefined,
      });
    }
  }

  /** Counts anew, since files may have come, or gone. */
  #countWaiting(): void {
    const { name, bytes, totalBytes } = this.#options.sink.position();
    const waiting = { own: 0, others: 0 };
    for (const { file, isOwn, isDone, size, offset } of this.#progress.values()) {
      if (!isDone) waiting[isOwn ? 'own' : 'others'] += (file.name === name ? bytes : size) - offset;
    }
    this.#ownBytes = totalBytes - waiting.own;
    this.#othersBytes = waiting.others;
  }

  async #removeShipped(): Promise<void> {
    const { directory, sink } = this.#options;
    try {
      const mayGo = ({ name }: ChainFile) => this.#progress.get(name)?.isDone === true;
      await removeFiles({ directory, sink, cause: 'shipped', olderThan: this.#now() - this.#timing.keepMs, mayGo });
    } catch (error) {
      this.#options.onBadFile(directory, error);
    }
  }

  async #shipFile(progress: Progress): Promise<void> {
    const { directory, sink, table } = this.#options;
    const { name, chain } = progress.file;
    const position = sink.position();
    const isCurrent = name === position.name;
    if (isCurrent && progress.offset === position.bytes) return;
    if (progress.firstSequence < 0) progress.firstSequence = (await table.lastSequence(chain)) + 1;
    const file = await open(join(directory, name)).catch((error: unknown) => this.#giveUp(progress, error));
    if (!file) return;
    try {
      // Of its own file only what no failed write takes back.
      const end = isCurrent ? position.bytes : (await file.stat()).size;
      for await (const text of readWholeLines(file, progress.offset, end)) await this.#shipText(progress, text);
      if (isCurrent) return;
      // So ends the file of a process that was killed.
      if (progress.offset < end) this.#options.onBadFile(name, 'the last line is torn');
      await this.#noteSkipped(progress);
      progress.size = end;
      progress.isDone = true;
    } finally {
      await file.close();
    }
  }

  async #shipText(progress: Progress, text: Buffer): Promise<void> {
    const { retentionMs, table, onBadFile } = this.#options;
    const oldest = retentionMs === undefined ? 0 : this.#now() - retentionMs;
    const rows: AuditRow[] = [];
    let skipped: AuditRow | undefined;
    for (const line of text.toString('utf8', 0, text.length - 1).split('\n')) {
      const row = rowOf(line, progress.file.chain);
      if (!row || row.at > this.#now() + DAY_MS)
        onBadFile(progress.file.name, 'a line is no record of a day until now');
      else if (row.at < oldest) skipped = row;
      else if (row.sequence >= progress.firstSequence) rows.push(row);
    }
    if (skipped) progress.skipped = removalOf(skipped);
    this.#oldestAt = rows[0]?.at;
    if (rows.length > 0) {
      await this.#noteSkipped(progress);
      await table.add(rows);
    }
    this.#oldestAt = undefined;
    progress.offset += text.length;
    if (progress.isOwn) this.#ownBytes += text.length;
    else this.#othersBytes -= text.length;
  }

  /** The chain begins late in the table then, and this says why. */
  async #noteSkipped(progress: Progress): Promise<void> {
    if (!progress.skipped) return;
    await this.#options.sink.recordRemoval(progress.skipped);
    progress.skipped = undefined;
  }

  #giveUp(progress: Progress, error: unknown): undefined {
    this.#options.onBadFile(progress.file.name, error);
    this.#progress.delete(progress.file.name);
  }
}

const removalOf = ({ chain, sequence, line }: AuditRow): Removal => ({
  cause: 'retention',
  chain,
  through: sequence,
  hash: hashLine(line),
});
