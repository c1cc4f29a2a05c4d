import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditRow, AuditTable } from '../audit-table.ts';
import { hashLine, type Removal } from '../chain/chain.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { readWholeLines } from '../chain/read-lines.ts';
import type { ClockWatch } from '../clock-watch.ts';
import { RepeatedRounds } from '../repeated-rounds.ts';
import { rowOf } from './shipped-row.ts';
import { Spool, type SpoolChain, type SpoolFile } from './spool.ts';

export interface ShipperOptions {
  /** The spool. */
  readonly directory: string;
  readonly sink: Pick<FileSink, 'chain' | 'position' | 'recordRemoval'>;
  readonly table: Pick<AuditTable, 'add' | 'last' | 'now'>;
  readonly clocks: ClockWatch;
  /** Most bytes that may wait for the database. */
  readonly maxSpoolBytes: number;
  /** How long a file stays after it was shipped, in case the database loses its records. */
  readonly keepMs: number;
  /** Records older than this are not shipped: the table would drop them. */
  readonly retentionMs?: number | undefined;
  readonly timing?: Partial<ShipperTiming>;
  /** Called once when the database stops taking records, and once when it takes them again. */
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovery: () => void;
  /** Called for a file that can't be read to its end, or has lines that are no records. */
  readonly onBadFile: (file: string, problem: unknown) => void;
  /** Called when the database has lost records that it once had; they are shipped again. */
  readonly onLost: (chain: string, from: number) => void;
}

interface ShipperTiming {
  /** Pause between rounds, and after a failed one; milliseconds. */
  readonly intervalMs: number;
  readonly retryMs: number;
  /**
   * How often the shipper looks for files of other processes, and checks that the table still has
   * every record.
   */
  readonly scanMs: number;
  /** A file that stays unchanged for this time belongs to a process that has ended. */
  readonly idleMs: number;
  /** Longest wait for the database during close. */
  readonly closeMs: number;
}

const TIMING: ShipperTiming = {
  intervalMs: 500,
  retryMs: 5_000,
  scanMs: 30_000,
  idleMs: 120_000,
  closeMs: 5_000,
};

/** The records that wait for the database. */
export interface Backlog {
  readonly bytes: number;
  /** Age of the oldest record known to wait; 0 when none waits. */
  readonly ageSeconds: number;
}

/** The age at which records are too old to ship, by the database's clock. */
interface Age {
  readonly databaseNow: number;
  readonly oldest: number;
  /** While the clocks disagree no record counts as too old. */
  readonly agrees: boolean;
}

/**
 * Ships the records of the spool to the database, in groups and in the order of their chains. It
 * ships its own records as they are written, and those of processes that have ended. Records are
 * stored once, however often they are shipped, so there is no state to lose: after a restart the
 * table itself has the position of each chain. Each group is stored only after the one before. So
 * records that the database has lost (a failover, a restored backup) are noticed and shipped again,
 * while their files are kept.
 */
export class Shipper {
  readonly #options: ShipperOptions;
  readonly #timing: ShipperTiming;
  readonly #spool: Spool;
  #age: Age = { databaseNow: 0, oldest: Number.NEGATIVE_INFINITY, agrees: true };
  #ageReadAt = 0;
  #isCheckDue: boolean = true;
  #oldestAt: number | undefined;
  #trouble: string | undefined;
  readonly #rounds: RepeatedRounds;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    const { clocks } = options;
    this.#spool = new Spool({ ...options, ...this.#timing, now: () => clocks.now() });
    this.#rounds = new RepeatedRounds(
      () => this.#shipAll(),
      () => (this.#trouble === undefined ? this.#timing.intervalMs : this.#timing.retryMs),
    );
  }

  /** Returns the reason that the database gets no records; undefined while it gets them. */
  trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Returns the reason that no more records may be accepted; undefined while there is room for
   * them.
   */
  limit(): string | undefined {
    return this.#spool.waitingBytes() > this.#options.maxSpoolBytes ? 'the spool for the database is full' : undefined;
  }

  backlog(): Backlog {
    const bytes = this.#spool.waitingBytes();
    const { clocks } = this.#options;
    const ageSeconds = bytes === 0 || this.#oldestAt === undefined ? 0 : (clocks.now() - this.#oldestAt) / 1000;
    return { bytes, ageSeconds: Math.max(0, ageSeconds) };
  }

  /** Ships the records that wait now. Never rejects. */
  ship(): Promise<void> {
    return this.#rounds.run();
  }

  /**
   * Ships the rest within a time limit, after the sink was closed. The next process ships any
   * records that remain.
   */
  async close(): Promise<void> {
    this.#rounds.stop();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#timing.closeMs);
    await Promise.race([this.ship().then(() => this.ship()), late]);
    clearTimeout(timer);
  }

  async #shipAll(): Promise<void> {
    try {
      if (await this.#spool.scan()) {
        if (!this.#rounds.isStopped) await this.#spool.removeShipped();
        this.#isCheckDue = true;
      }
      if (this.#isCheckDue) {
        await this.#readAge();
        await this.#findLost();
        this.#isCheckDue = false;
      }
      for (const file of this.#spool.waiting()) if (this.#spool.isReady(file)) await this.#shipFile(file);
      if (this.#trouble !== undefined) this.#options.onRecovery();
      this.#trouble = undefined;
      this.#oldestAt = undefined;
    } catch (error) {
      this.#oldestAt ??= this.#options.clocks.now(); // the age counts from now if no record was read yet
      if (this.#trouble === undefined) this.#options.onTrouble(error);
      this.#trouble = 'the database accepts no audit records';
    }
  }

  async #readAge(): Promise<void> {
    const { clocks, table, retentionMs } = this.#options;
    const { at, agrees } = await clocks.compare(table.now);
    this.#ageReadAt = performance.now();
    const oldest = retentionMs === undefined ? Number.NEGATIVE_INFINITY : at - retentionMs;
    this.#age = { databaseNow: at, oldest, agrees };
  }

  /** Finds records that the database lost from chains that get no new records. */
  async #findLost(): Promise<void> {
    for (const chain of this.#spool.chains()) {
      if (chain.last === undefined || chain.last.at < this.#age.oldest) continue;
      const last = await this.#options.table.last(chain.id);
      if ((last?.sequence ?? -1) < chain.last.sequence) await this.#goBack(chain);
    }
  }

  async #goBack(chain: SpoolChain): Promise<void> {
    await this.#askTable(chain);
    this.#spool.restart(chain.id);
    this.#options.onLost(chain.id, chain.next ?? 0);
  }

  async #askTable(chain: SpoolChain): Promise<void> {
    chain.last = await this.#options.table.last(chain.id);
    chain.next = (chain.last?.sequence ?? -1) + 1;
  }

  async #shipFile(spooled: SpoolFile): Promise<void> {
    const { directory, sink } = this.#options;
    const { name } = spooled.file;
    const position = sink.position();
    const isCurrent = name === position.name;
    if (isCurrent && spooled.offset === position.bytes) return;
    const chain = this.#spool.chainOf(spooled);
    if (chain.next === undefined) await this.#askTable(chain);
    const file = await open(join(directory, name)).catch((error: unknown) => this.#passOver(spooled, error));
    if (!file) return;
    try {
      // Of its own file, only the part that no failed write removes.
      const stats = await file.stat();
      const end = isCurrent ? position.bytes : stats.size;
      for await (const text of readWholeLines(file, spooled.offset, end)) {
        if (!(await this.#shipText(spooled, chain, text))) return await this.#goBack(chain);
      }
      if (isCurrent) return;
      // The file of a killed process ends like this.
      if (spooled.offset < end) this.#spool.report(name, 'the last line is incomplete');
      await this.#recordSkipped(spooled);
      if (!spooled.isOwn && this.#spool.isLastPart(spooled) && spooled.lastRead < (chain.last?.sequence ?? -1))
        this.#spool.report(name, 'the database has later records of this chain: the end of the file was cut off');
      Object.assign(spooled, { size: end, mtimeMs: stats.mtimeMs, doneSince: performance.now() });
    } finally {
      await file.close();
    }
  }

  /**
   * Returns false when the table no longer has the record before these, and stores none of them
   * then.
   */
  async #shipText(spooled: SpoolFile, chain: SpoolChain, text: Buffer): Promise<boolean> {
    const rows: AuditRow[] = [];
    let lastRead = spooled.lastRead;
    let skipped: AuditRow | undefined;
    for (const line of text.toString('utf8', 0, text.length - 1).split('\n')) {
      const row = rowOf(line, chain.id);
      if (!row || row.sequence <= lastRead) {
        this.#spool.report(spooled.file.name, 'a line is not a record of this chain, or is out of order');
        continue;
      }
      lastRead = row.sequence;
      if (row.sequence < (chain.next ?? 0)) continue;
      const dated = this.#dated(row, spooled.isOwn);
      if (dated) rows.push(dated);
      else skipped = row;
    }
    if (skipped) spooled.skipped = removalOf(skipped);
    this.#oldestAt = rows[0]?.at;
    if (!(await this.#store(spooled, chain, rows))) return false;
    this.#oldestAt = undefined;
    spooled.lastRead = lastRead;
    this.#spool.addShipped(spooled, text.length);
    return true;
  }

  async #store(spooled: SpoolFile, chain: SpoolChain, rows: readonly AuditRow[]): Promise<boolean> {
    const [first, last] = [rows[0], rows.at(-1)];
    if (!first || !last) return true;
    await this.#recordSkipped(spooled);
    // A day that has been dropped since then is no loss.
    const after = chain.last && chain.last.at >= this.#age.oldest ? chain.last : undefined;
    if ((await this.#options.table.add(rows, after)) === undefined) return false;
    if (first.sequence > (chain.next ?? 0) && spooled.isOwn)
      this.#spool.report(spooled.file.name, 'earlier records are neither in the database nor in a file');
    chain.last = { at: last.at, chain: last.chain, sequence: last.sequence };
    chain.next = last.sequence + 1;
    return true;
  }

  /**
   * Returns the row under the day in its record; undefined when that day is past the retention. A
   * process whose clock is far behind writes records that only seem old. While its clock disagrees
   * with the database's, its own records get the database's time.
   */
  #dated(row: AuditRow, isOwn: boolean): AuditRow | undefined {
    const { oldest, agrees, databaseNow } = this.#age;
    if (row.at >= oldest) return row;
    if (agrees) return undefined;
    if (!isOwn) return row;
    return { ...row, at: Math.floor(databaseNow + performance.now() - this.#ageReadAt), isRedated: true };
  }

  /** Records that the chain begins late in the table, and why. */
  async #recordSkipped(spooled: SpoolFile): Promise<void> {
    if (!spooled.skipped) return;
    await this.#options.sink.recordRemoval(spooled.skipped);
    spooled.skipped = undefined;
  }

  #passOver(spooled: SpoolFile, error: unknown): undefined {
    this.#spool.report(spooled.file.name, error);
    this.#spool.forget(spooled);
  }
}

const removalOf = ({ chain, sequence, line }: AuditRow): Removal => ({
  cause: 'retention',
  chain,
  through: sequence,
  hash: hashLine(line),
});
