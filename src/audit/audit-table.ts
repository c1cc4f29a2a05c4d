import type { Usage } from './usage.ts';

/** One record of the audit log, with its line exactly as in the file, without the newline. */
export interface AuditRow {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Set if `at` is not the record's own time, because the clock of its process was wrong. */
  readonly isRedated?: true;
  /** Names the record, together with `sequence`. */
  readonly chain: string;
  readonly sequence: number;
  readonly tenantId: string | undefined;
  /** In a record of type `removed`: the chain whose first records were removed. */
  readonly removes: string | undefined;
  readonly line: string;
  /** What it adds to the tenant's usage; absent for nothing. It is not stored with the record. */
  readonly usage?: Usage | undefined;
}

/** The position of a record among those of all chains, by time. */
export type AuditPlace = Pick<AuditRow, 'at' | 'chain' | 'sequence'>;
type PlacedLine = AuditPlace & Pick<AuditRow, 'line'>;

export interface AuditPageQuery {
  readonly tenantId: string;
  /** Milliseconds since 1970: at or after `from`, and before `to`. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Only records older than this one. */
  readonly before?: AuditPlace | undefined;
  readonly limit: number;
}

/** The last record of a chain among some of its records. */
export interface ChainEnd {
  readonly chain: string;
  readonly through: number;
}

/** Texts that the lines of a search have. */
export interface LineMarks {
  readonly exact: readonly string[];
  /** To be compared with the line's ASCII letters in lower case. */
  readonly folded: readonly string[];
}

/** A search among the newest records of a page query. */
interface AuditSearch extends AuditPageQuery {
  readonly marks: LineMarks;
  /** The most records that are looked through. */
  readonly scanned: number;
}

interface FoundLines {
  /** Records whose lines have the marks, newest first. */
  readonly rows: readonly PlacedLine[];
  /** The oldest record that was looked through, if older ones were not. */
  readonly end: AuditPlace | undefined;
}

/**
 * The audit records of all processes, in a database. Days count from 1970, in UTC.
 * Every method rejects with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface AuditTable {
  /** Returns the database's time, milliseconds since 1970. */
  now(): Promise<number>;
  /**
   * Stores rows and returns the number of new ones; rows that are already stored stay unchanged. The
   * usage of new rows is added to their tenants' sums in the same transaction.
   * With `after`, stores nothing and returns undefined when the table does not have that record.
   */
  add(rows: readonly AuditRow[], after?: AuditPlace): Promise<number | undefined>;
  /** Returns the place of a chain's last record. */
  last(chain: string): Promise<AuditPlace | undefined>;
  /** Returns records of one tenant, newest first. */
  page(query: AuditPageQuery): Promise<readonly PlacedLine[]>;
  /** The most records for one search: few where the database works on the service's own thread. */
  readonly searchedAtOnce: number;
  /** Returns records of one tenant whose lines have the marks. */
  search(query: AuditSearch): Promise<FoundLines>;
  /**
   * Returns the first record of the next chain in the order of ids; '' asks for the first chain.
   */
  nextChain(after: string): Promise<PlacedLine | undefined>;
  /** Returns the records of a chain after this sequence number. */
  following(chain: string, sequence: number, limit: number): Promise<readonly PlacedLine[]>;
  /** Returns the last record on a day of the chain that precedes `before` in the order of ids. */
  endOnDay(day: number, before: string | undefined): Promise<PlacedLine | undefined>;
  /** Returns the day's lines of type `removed` whose chains have later records. */
  removalsOnDay(day: number): Promise<readonly string[]>;
  days(): Promise<readonly number[]>;
  createDay(day: number): Promise<void>;
  /**
   * Drops a day on which chains end with these records. If it has others by now, nothing is dropped
   * and the result is false. Up to these records a chain counts in no usage again.
   */
  dropDay(day: number, ends: readonly ChainEnd[]): Promise<boolean>;
  /** Forgets chains whose last record was removed before this time of the database. */
  forgetChains(before: number): Promise<void>;
}
