import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Dialect, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, sql } from 'kysely';
import { retry } from '../lib/retry.ts';
import { contentionPauses } from './contention.ts';
import type { SqlDialect } from './dialect.ts';
import { sqliteDriver } from './sqlite-driver.ts';
import { watchSqlite } from './sqlite-feed.ts';

export interface SqliteOptions {
  /** The database's file; its folder is made where it's missing. */
  readonly file: string;
  /** Longest wait for another process's write, in milliseconds. */
  readonly busyTimeoutMs?: number;
}

// https://www.sqlite.org/rescode.html
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const PROTOCOL = 15;
const NOTADB = 26;
const OUTAGES: ReadonlySet<number> = new Set([
  BUSY,
  LOCKED,
  READONLY,
  IOERR,
  CORRUPT,
  FULL,
  CANTOPEN,
  PROTOCOL,
  NOTADB,
]);

export const sqliteDialect: SqlDialect = {
  name: 'SQLite',
  idType: sql`text`,
  tableExists: (table) => sql`select count(*) as found from sqlite_master where type = 'table' and name = ${table}`,
  lockSchema: async () => undefined, // a transaction that writes is alone already
  skipLocked: (due) => due,
  notify: async () => undefined, // other processes watch the file
  openFeed: watchSqlite,
  isOutage: (error) => OUTAGES.has(resultCode(error)),
  isContention: isBusy,
  isLostConnection: () => false,
};

/**
 * Opens the file for kysely. Every call of node:sqlite blocks the process, so SQLite itself never waits for a lock (`timeout: 0`): that
 * is done between the tries, asynchronously.
 */
export async function openSqlite({ file }: SqliteOptions, patienceMs: number): Promise<Dialect> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(file, { timeout: 0, enableForeignKeyConstraints: true });
  try {
    const configure = async () => {
      database.exec('pragma journal_mode = wal'); // readers and the one writer don't wait for each other
      // NORMAL would be quicker, but a power cut could then undo acknowledged writes, such as a tenant's suspension.
      database.exec('pragma synchronous = full');
    };
    await retry(configure, { pausesMs: contentionPauses(patienceMs), isTransient: isBusy });
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => sqliteDriver(database),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY;
}

/** SQLite's primary result code: the extended ones have it in their low byte. */
function resultCode(error: unknown): number {
  return Error.isError(error) && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
}
