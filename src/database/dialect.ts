import type { Expression, Kysely, RawBuilder, SelectQueryBuilder, Transaction } from 'kysely';
import type { DatabaseTrouble } from '../errors.ts';
import type { ChangeChannel, ChangeEvents, ChangeFeed, TenantChange } from './change-feed.ts';
import type { Schema } from './schema.ts';

/** Columns of rows that are passed as one parameter, with their types. */
export type RowColumns = Readonly<Record<string, 'text' | 'bigint'>>;

type DueTenants<T extends 'tenant_checks' | 'siem_cursors'> = SelectQueryBuilder<Schema, T, { tenant_id: string }>;

/** The differences between SQLite and PostgreSQL; all other SQL is common to both. */
export interface SqlDialect {
  readonly name: 'SQLite' | 'PostgreSQL';
  /**
   * Type of a column of ids: compared byte by byte, as JavaScript does, whatever the server's
   * language.
   */
  readonly idType: Expression<unknown>;
  /** Type of a column of bytes, and a literal without any. */
  readonly bytesType: 'bytea' | 'blob';
  readonly noBytes: Expression<unknown>;
  tableExists(table: keyof Schema): RawBuilder<{ found: number }>;
  /** Prevents other processes from changing the tables until the transaction ends. */
  lockSchema(trx: Transaction<Schema>): Promise<void>;
  /**
   * Makes the query skip rows that another claim locks at this moment, instead of waiting for them.
   */
  skipLocked<T extends 'tenant_checks' | 'siem_cursors'>(due: DueTenants<T>): DueTenants<T>;
  /**
   * Returns rows as a table expression with one parameter, however many they are: a parameter for
   * each value would cost more than the statement.
   */
  rows(columns: RowColumns, rows: readonly object[]): RawBuilder<unknown>;
  /**
   * Takes a lock of this number until the transaction ends. Returns false, without waiting, while
   * another process holds it.
   */
  tryLock(trx: Transaction<Schema>, lock: number): Promise<boolean>;
  /** Notifies the other processes once the transaction is committed. */
  notify(trx: Transaction<Schema>, channel: ChangeChannel, change: TenantChange): Promise<void>;
  openFeed(db: Kysely<Schema>, channel: ChangeChannel, events: ChangeEvents): ChangeFeed;
  /** The database's own clock, ms since 1970. */
  readonly nowMs: RawBuilder<number>;
  /**
   * Makes the transaction survive a crash of the server once it is committed, whatever the server's
   * default.
   */
  durably(trx: Transaction<Schema>): Promise<void>;
  /** Returns whether the database cannot answer now, as opposed to an error in a statement. */
  isOutage(error: unknown): boolean;
  /** Returns the problem, for the operator. */
  describe(error: unknown): DatabaseTrouble;
  /**
   * Returns whether another transaction was in the way and nothing was done: the transaction may be
   * retried.
   */
  isContention(error: unknown): boolean;
  /**
   * Returns whether the connection broke, as all do when a server restarts: a read may be retried
   * on another one.
   */
  isLostConnection(error: unknown): boolean;
}
