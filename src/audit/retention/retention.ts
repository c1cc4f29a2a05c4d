import { randomUUID } from 'node:crypto';
import type { AuditTable } from '../audit-table.ts';
import type { FileSink } from '../chain/file-sink.ts';
import type { ClockWatch } from '../clock-watch.ts';
import { DAY_MS, dayOf } from '../days.ts';
import { dropOldDays, type OldDaysOptions } from './old-days.ts';
import { newestOtherFile, removeOldFiles } from './old-files.ts';

type RetainedTable = OldDaysOptions['table'] & Pick<AuditTable, 'now' | 'createDay' | 'forgetChains'>;

export interface RetentionOptions {
  readonly directory: string;
  /** Receives a record of each removal. */
  readonly sink: Pick<FileSink, 'chain' | 'position' | 'record' | 'recordRemoval'>;
  /** Absent when records are in files only. */
  readonly table: RetainedTable | undefined;
  /** Without it nothing is removed. */
  readonly days: number | undefined;
  readonly clocks: ClockWatch;
  /** The files, or the days of the table (counted from 1970), that were removed. */
  readonly onRemoved: (removed: readonly (string | number)[]) => void;
  readonly onFailure: (error: unknown) => void;
}

const HOUR_MS = 3_600_000;
const DAYS_AHEAD = 2;
/** After their last record was removed. Longer than sums of usage, to which its records must not be added again. */
const CHAINS_KEPT_DAYS = 410;

/**
 * Creates the table's next days and removes records past their retention: at once, then every hour,
 * one run at a time. The time is the database's, or this machine's for files. Whatever a clock
 * shows, today and the newest `days` days that have records stay. So a run removes at most as many
 * days as passed since the last one, and time without any record ages nothing.
 */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();
  #recordedDay: number | undefined;

  constructor(options: RetentionOptions) {
    this.#options = options;
    void this.run();
    this.#timer = setInterval(() => void this.run(), HOUR_MS).unref();
  }

  /** Starts a run after those that were started before. */
  run(): Promise<void> {
    this.#running = this.#running.then(() => this.#tidyUp()).catch(this.#options.onFailure);
    return this.#running;
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    return this.#running;
  }

  async #tidyUp(): Promise<void> {
    const { table, onRemoved, days } = this.#options;
    if (days !== undefined) await this.#recordDay();
    const removed = table ? await this.#tidyTable(table) : await this.#tidyFiles();
    if (removed.length > 0) onRemoved(removed);
  }

  async #tidyTable(table: RetainedTable): Promise<readonly number[]> {
    const { sink, days, clocks } = this.#options;
    const { at, agrees } = await clocks.compare(table.now);
    for (let ahead = 0; ahead <= DAYS_AHEAD; ahead += 1) await table.createDay(dayOf(at) + ahead);
    if (days === undefined || !agrees) return [];
    await table.forgetChains(at - CHAINS_KEPT_DAYS * DAY_MS);
    return dropOldDays({ table, sink, days }, at);
  }

  /**
   * Removes old files and returns their names. A file from the future shows that this clock is
   * wrong, or was wrong before.
   */
  async #tidyFiles(): Promise<readonly string[]> {
    const { directory, sink, days, clocks } = this.#options;
    if (days === undefined) return [];
    const now = clocks.now();
    const newest = (await newestOtherFile(directory, sink.chain)) ?? now;
    return clocks.judge(Math.max(0, newest - now)) ? removeOldFiles({ directory, sink, days }, now) : [];
  }

  /** Writes a record for today even without any request: only days with records age the others. */
  async #recordDay(): Promise<void> {
    const { sink, clocks } = this.#options;
    const today = dayOf(clocks.now());
    if (this.#recordedDay === today) return;
    await sink.record({ operation: 'audit-retention', outcome: 'succeeded', requestId: randomUUID() });
    this.#recordedDay = today;
  }
}
