/** A chain whose records are not all in their tenants' logs. */
export interface ChainNews {
  readonly chain: string;
  /** Sequence numbers of its last record in the table, and of the last one that is in a log. */
  readonly stored: number;
  readonly sequenced: number;
  /** Milliseconds since 1970 from which on the next record is missing. */
  readonly waitingSince: number | undefined;
}

/** A stored record, as the sequencer needs it. */
export interface NewRecord {
  readonly chain: string;
  readonly sequence: number;
  readonly at: number;
  readonly tenantId: string | undefined;
  readonly line: string;
}

/** The number of a log's entries. */
export interface LogHead {
  readonly tenantId: string;
  readonly size: number;
}

/** Records of one chain, by their numbers in it. */
export interface Range {
  readonly chain: string;
  readonly first: number;
  readonly last: number;
}

export interface NewEntry {
  readonly tenantId: string;
  readonly sequence: number;
  readonly leaf: Buffer;
  readonly chain: string;
  /** The record's number in its chain; absent for an entry of the sequencer's own, which has its line here. */
  readonly chainSequence?: number;
  readonly at: number;
  readonly line?: string;
}

/** Records that a chain lacks. */
export type Gap = Range;

export interface Appended {
  readonly entries: readonly NewEntry[];
  readonly heads: readonly LogHead[];
  /** The time of the next checkpoint of these logs, unless one is due already. */
  readonly dueAt: number;
}

/** The database within one transaction of the sequencer. */
export interface SequencerTransaction {
  news(limit: number): Promise<readonly ChainNews[]>;
  /** Returns records of a chain after this number, in order. */
  records(chain: string, after: number, limit: number): Promise<readonly NewRecord[]>;
  /** Returns the heads of those tenants that have a log. */
  heads(tenantIds: readonly string[]): Promise<readonly LogHead[]>;
  append(appended: Appended): Promise<void>;
  /**
   * Appends the records of whole ranges within the database, where their lines need not be read.
   * Returns the number of entries; undefined, without any change, if a number is missing or the
   * database cannot do it.
   */
  appendRanges(ranges: readonly Range[], dueAt: number): Promise<number | undefined>;
  /**
   * Moves a chain on.
   * @throws Error when another process moved it meanwhile
   */
  advance(news: ChainNews, change: Pick<ChainNews, 'sequenced' | 'waitingSince'>): Promise<void>;
  addGap(gap: Gap, notedAt: number): Promise<void>;
  /** Returns those of the chains that have gaps. */
  gaps(chains: readonly string[]): Promise<readonly Gap[]>;
  /** Returns the tenants whose logs have entries about a chain: all, or those of these. */
  tenantsOf(chain: string, among?: readonly string[]): Promise<readonly string[]>;
  /** Returns records of gaps that were declared lost before they arrived. */
  lateRecords(limit: number): Promise<readonly NewRecord[]>;
}

export interface SequencerTable {
  /** Returns whether a chain has news, without any lock. */
  hasNews(): Promise<boolean>;
  /**
   * Runs a step in a transaction of which there is one at a time in the whole deployment. Returns
   * undefined when another process runs one.
   */
  sequence<T>(step: (trx: SequencerTransaction) => Promise<T>): Promise<T | undefined>;
  /** Notes chains that a process of an older release stored. */
  findChains(): Promise<void>;
}
