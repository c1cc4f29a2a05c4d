import { RepeatedRounds } from '../repeated-rounds.ts';
import { append, type PendingEntry } from './append.ts';
import type { ChainNews, Gap, NewRecord, Range, SequencerTable, SequencerTransaction } from './log-table.ts';
import { lostEntry } from './lost-entry.ts';

export interface SequencerOptions {
  readonly table: SequencerTable;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Time from a log's first new entry to its next checkpoint. */
  readonly checkpointMs: number;
  readonly timing?: Partial<SequencerTiming>;
  /** Called for each gap of a chain that later records no longer wait for. */
  readonly onLost: (gap: Gap) => void;
  /** Called once when a round fails, and once when one succeeds again. */
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovery: () => void;
}

interface SequencerTiming {
  readonly intervalMs: number;
  /** Time that the records after a gap wait for the missing ones, which another process may still ship. */
  readonly lostAfterMs: number;
  /** How often late records of gaps are looked for … */
  readonly searchMs: number;
  /** … and chains that a process of an older release stored. */
  readonly findMs: number;
}

const TIMING: SequencerTiming = { intervalMs: 1_000, lostAfterMs: 3_600_000, searchMs: 60_000, findMs: 3_600_000 };
/** Small enough that hashing them delays no request by more than some milliseconds. */
const MAX_RECORDS = 500;
/** Records that the database appends by itself in one transaction. */
const MAX_WHOLE = 5_000;
const MAX_CHAINS = 64;

/**
 * Gives each stored record the next number in its tenant's log, in one process of the deployment at
 * a time. Records of one chain keep their order. The records after a missing one
 * wait until it arrives or is declared lost; then each tenant of the chain gets a `lost` entry.
 */
export class Sequencer {
  readonly #options: SequencerOptions;
  readonly #timing: SequencerTiming;
  readonly #counts = { entries: 0, lost: 0 };
  readonly #rounds: RepeatedRounds;
  #searchedAt = Number.NEGATIVE_INFINITY;
  #foundAt = Number.NEGATIVE_INFINITY;
  #isFailing: boolean = false;

  constructor(options: SequencerOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#rounds = new RepeatedRounds(
      () => this.#runOnce(),
      () => this.#timing.intervalMs,
    );
  }

  /** Entries that this process made, and gaps that it declared lost. */
  counts(): Readonly<Record<'entries' | 'lost', number>> {
    return this.#counts;
  }

  /** Sequences the records that wait now. Never rejects. */
  run(): Promise<void> {
    return this.#rounds.run();
  }

  close(): Promise<void> {
    return this.#rounds.close();
  }

  async #runOnce(): Promise<void> {
    const { table, onTrouble, onRecovery } = this.#options;
    try {
      await this.#search();
      while (!this.#rounds.isStopped && (await table.hasNews())) {
        const step = await table.sequence((trx) => this.#step(trx));
        if (!step) break; // another process sequences
        this.#count(step);
        if (!step.isMoved) break;
      }
      if (this.#isFailing) onRecovery();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) onTrouble(error);
      this.#isFailing = true;
    }
  }

  async #search(): Promise<void> {
    const { table } = this.#options;
    if (performance.now() - this.#foundAt >= this.#timing.findMs) {
      await table.findChains();
      this.#foundAt = performance.now();
    }
    if (performance.now() - this.#searchedAt < this.#timing.searchMs) return;
    const step = await table.sequence(async (trx) => {
      const late = await trx.lateRecords(MAX_RECORDS);
      return this.#append(trx, late.flatMap(entryOf), []);
    });
    if (step) this.#count(step);
    this.#searchedAt = performance.now();
  }

  #count({ entries, gaps }: Step): void {
    this.#counts.entries += entries;
    this.#counts.lost += gaps.length;
    for (const gap of gaps) this.#options.onLost(gap);
  }

  async #step(trx: SequencerTransaction): Promise<Step> {
    return (await this.#appendWhole(trx)) ?? this.#appendRead(trx);
  }

  /**
   * Appends the next records of chains within the database; undefined if one of the chains has
   * missing records, now or earlier, so that its lines must be read.
   */
  async #appendWhole(trx: SequencerTransaction): Promise<Step | undefined> {
    const all = await trx.news(MAX_CHAINS);
    const taken: { readonly news: ChainNews; readonly range: Range }[] = [];
    let room = MAX_WHOLE;
    for (const news of all) {
      if (news.waitingSince !== undefined) return undefined;
      const { chain, sequenced, stored } = news;
      const last = Math.min(stored, sequenced + room);
      if (last === sequenced) break;
      taken.push({ news, range: { chain, first: sequenced + 1, last } });
      room -= last - sequenced;
    }
    if (taken.length === 0 || (await trx.gaps(taken.map(({ range }) => range.chain))).length > 0) return undefined;
    const dueAt = this.#options.now() + this.#options.checkpointMs;
    const entries = await trx.appendRanges(
      taken.map(({ range }) => range),
      dueAt,
    );
    if (entries === undefined) return undefined;
    for (const { news, range } of taken) await trx.advance(news, { sequenced: range.last, waitingSince: undefined });
    return { entries, gaps: [], isMoved: true };
  }

  async #appendRead(trx: SequencerTransaction): Promise<Step> {
    const now = this.#options.now();
    const records: NewRecord[] = [];
    const gaps: Gap[] = [];
    let isMoved = false;
    for (const news of await trx.news(MAX_CHAINS)) {
      const room = MAX_RECORDS - records.length;
      if (room === 0) break;
      const taken = await this.#take(trx, news, room, now);
      records.push(...(taken?.records ?? []));
      if (taken?.gap) gaps.push(taken.gap);
      isMoved ||= taken !== undefined;
    }
    const lost: PendingEntry[] = [];
    for (const gap of gaps) {
      for (const tenantId of await trx.tenantsOf(gap.chain)) lost.push(lostEntry(tenantId, gap, now));
    }
    const entries = records.sort((a, b) => a.at - b.at).flatMap(entryOf);
    const step = await this.#append(trx, [...lost, ...(await lostBefore(trx, entries, now)), ...entries], gaps);
    return { ...step, isMoved };
  }

  /** Returns a chain's next records, or the gap that it gives up; undefined if it waits. */
  async #take(
    trx: SequencerTransaction,
    news: ChainNews,
    room: number,
    now: number,
  ): Promise<{ readonly records?: readonly NewRecord[]; readonly gap?: Gap } | undefined> {
    const { chain, sequenced, waitingSince } = news;
    const read = await trx.records(chain, sequenced, waitingSince === undefined ? room : 1);
    const records = contiguous(read, sequenced + 1);
    const last = records.at(-1);
    if (last) {
      await trx.advance(news, { sequenced: last.sequence, waitingSince: undefined });
      return { records };
    }
    if (waitingSince === undefined) {
      await trx.advance(news, { sequenced, waitingSince: now });
      return {};
    }
    if (now - waitingSince < this.#timing.lostAfterMs) return undefined;
    const gap = { chain, first: sequenced + 1, last: (read[0]?.sequence ?? news.stored + 1) - 1 };
    await trx.addGap(gap, now);
    await trx.advance(news, { sequenced: gap.last, waitingSince: undefined });
    return { gap };
  }

  async #append(trx: SequencerTransaction, pending: readonly PendingEntry[], gaps: readonly Gap[]): Promise<Step> {
    if (pending.length > 0) {
      const heads = await trx.heads([...new Set(pending.map(({ tenantId }) => tenantId))]);
      const appended = append(new Map(heads.map((head) => [head.tenantId, head])), pending);
      await trx.append({ ...appended, dueAt: this.#options.now() + this.#options.checkpointMs });
    }
    return { entries: pending.length, gaps, isMoved: true };
  }
}

/** The result of one transaction. */
interface Step {
  readonly entries: number;
  /** Gaps that were declared lost. */
  readonly gaps: readonly Gap[];
  readonly isMoved: boolean;
}

/** Returns the first of the records, as far as their numbers have no gap. */
function contiguous(records: readonly NewRecord[], first: number): readonly NewRecord[] {
  const gap = records.findIndex(({ sequence }, at) => sequence !== first + at);
  return gap < 0 ? records : records.slice(0, gap);
}

const entryOf = ({ chain, sequence, at, tenantId, line }: NewRecord): PendingEntry[] =>
  tenantId === undefined ? [] : [{ tenantId, chain, chainSequence: sequence, at, line }];

/**
 * Returns `lost` entries for tenants whose first record of a chain with gaps is not their first
 * there by their own count: the ones before were in a gap.
 */
async function lostBefore(trx: SequencerTransaction, entries: readonly PendingEntry[], now: number) {
  const missing: PendingEntry[] = [];
  const gaps = await trx.gaps([...new Set(entries.map(({ chain }) => chain))]);
  for (const [chain, some] of Map.groupBy(gaps, (gap) => gap.chain)) {
    const later = entries.filter((entry) => entry.chain === chain && countBefore(entry.line) > 0);
    const tenants = new Set(later.map(({ tenantId }) => tenantId));
    for (const known of await trx.tenantsOf(chain, [...tenants])) tenants.delete(known);
    for (const tenantId of tenants) for (const gap of some) missing.push(lostEntry(tenantId, gap, now));
  }
  return missing;
}

/** Returns the number of records that the tenant had in the chain before this one. */
function countBefore(line: string): number {
  const { tenantSequence } = JSON.parse(line) as { readonly tenantSequence?: number };
  return tenantSequence ?? 0;
}
