import { Kysely, type Transaction } from 'kysely';
import { type DatabaseTrouble, ServiceError } from '../errors.ts';
import { retry } from '../lib/retry.ts';
import { contentionPauses } from './contention.ts';
import type { SqlDialect } from './dialect.ts';
import { openPostgres, postgresDialect } from './postgres.ts';
import { connectionOf, DEFAULT_STATEMENT_TIMEOUT_MS, type PostgresOptions } from './postgres-connection.ts';
import type { Schema } from './schema.ts';
import { openSqlite, type SqliteOptions, sqliteDialect } from './sqlite.ts';

export type DatabaseOptions = SqliteOptions | PostgresOptions;

/**
 * One database and its connections. Both methods reject with ServiceError `registry-unavailable`
 * while it is unreachable.
 */
export interface SqlDatabase {
  readonly dialect: SqlDialect;
  read<T>(query: (db: Kysely<Schema>) => Promise<T>): Promise<T>;
  /** Runs one transaction, and retries it from its start when another one conflicted. */
  write<T>(change: (trx: Transaction<Schema>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const DEFAULT_MAX_CONNECTIONS = 10;
const DEFAULT_PATIENCE_MS = 5_000;
const RETRY_AFTER_SECONDS = 5;

/** Opens SQLite's file, or a pool of PostgreSQL, which connects on first use. */
export async function openDatabase(options: DatabaseOptions): Promise<SqlDatabase> {
  if ('file' in options) {
    const patienceMs = options.busyTimeoutMs ?? DEFAULT_PATIENCE_MS;
    return databaseOf(
      new Kysely({ dialect: await openSqlite(options, patienceMs) }),
      sqliteDialect(options.file),
      patienceMs,
    );
  }
  const pooled = await connectionOf(options, options.url);
  const listening = await connectionOf(options, options.directUrl ?? options.url);
  const kysely = new Kysely<Schema>({
    dialect: openPostgres(pooled, options.maxConnections ?? DEFAULT_MAX_CONNECTIONS, serverLimitMs(options)),
  });
  return databaseOf(kysely, postgresDialect(pooled, listening), DEFAULT_PATIENCE_MS);
}

function databaseOf(kysely: Kysely<Schema>, dialect: SqlDialect, patienceMs: number): SqlDatabase {
  // The connection is released between the tries, so that reads continue while a write waits for
  // another process.
  const run = async <T>(attempt: () => Promise<T>): Promise<T> => {
    try {
      return await retry(attempt, { pausesMs: contentionPauses(patienceMs), isTransient: dialect.isContention });
    } catch (error) {
      throw dialect.isOutage(error) ? unavailable(dialect.describe(error)) : error;
    }
  };
  return {
    dialect,
    read: (query) =>
      run(async () => {
        try {
          return await query(kysely);
        } catch (error) {
          if (!dialect.isLostConnection(error)) throw error;
          return query(kysely); // the pool knows by now which of its connections are broken
        }
      }),
    write: (change) => run(() => kysely.transaction().setIsolationLevel('read committed').execute(change)),
    close: () => kysely.destroy(),
  };
}

/**
 * Returns the statement timeout for sessions. If `url` is a transaction pooler's, other clients
 * share the session, so no setting of it is changed.
 */
const serverLimitMs = ({ directUrl, statementTimeoutMs = DEFAULT_STATEMENT_TIMEOUT_MS }: PostgresOptions): number =>
  directUrl === undefined ? statementTimeoutMs : 0;

const unavailable = (cause: DatabaseTrouble): ServiceError =>
  new ServiceError('registry-unavailable', 'The tenant database is unreachable', {
    retryAfter: RETRY_AFTER_SECONDS,
    cause,
  });
