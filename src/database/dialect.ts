import type { Expression, Kysely, RawBuilder, SelectQueryBuilder, Transaction } from 'kysely';
import type { DatabaseTrouble } from '../errors.ts';
import type { ChangeChannel, ChangeEvents, ChangeFeed, TenantChange } from './change-feed.ts';
import type { Schema } from './schema.ts';

type DueTenants = SelectQueryBuilder<Schema, 'tenant_checks', { tenant_id: string }>;

/** Where SQLite and PostgreSQL differ; all else is SQL that both speak. */
export interface SqlDialect {
  readonly name: 'SQLite' | 'PostgreSQL';
  /** Type of a column of ids: compared byte by byte, as JavaScript does, whatever the server's language. */
  readonly idType: Expression<unknown>;
  tableExists(table: keyof Schema): RawBuilder<{ found: number }>;
  /** Until the transaction ends no other process changes the tables. */
  lockSchema(trx: Transaction<Schema>): Promise<void>;
  /** Rows that another claim holds at this moment are passed over instead of waited for. */
  skipLocked(due: DueTenants): DueTenants;
  /** Tells the other processes, once the transaction is committed. */
  notify(trx: Transaction<Schema>, channel: ChangeChannel, change: TenantChange): Promise<void>;
  openFeed(db: Kysely<Schema>, channel: ChangeChannel, events: ChangeEvents): ChangeFeed;
  /** The database's own clock, ms since 1970. */
  readonly nowMs: RawBuilder<number>;
  /** Makes the transaction survive a crash of the server once it is committed, whatever the server's default. */
  durably(trx: Transaction<Schema>): Promise<void>;
  /** The database can't answer now, as against a mistake in a statement. */
  isOutage(error: unknown): boolean;
  /** Returns what is wrong, for the operator. */
  describe(error: unknown): DatabaseTrouble;
  /** Nothing was done, because another was at it: worth another try. */
  isContention(error: unknown): boolean;
  /** The connection broke, as all do when a server restarts: a read may be tried on another one. */
  isLostConnection(error: unknown): boolean;
}
