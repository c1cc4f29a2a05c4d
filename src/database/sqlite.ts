import { chmod, mkdir, open as openFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Dialect, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, sql } from 'kysely';
import { ignoreGone } from '../lib/gone-files.ts';
import { retry } from '../lib/retry.ts';
import { contentionPauses } from './contention.ts';
import { sqliteTrouble } from './describe-trouble.ts';
import type { SqlDialect } from './dialect.ts';
import { sqliteDriver } from './sqlite-driver.ts';
import { watchSqlite } from './sqlite-feed.ts';

export interface SqliteOptions {
  /** The database's file; its folder is created if it is missing. */
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

export const sqliteDialect = (file: string): SqlDialect => ({
  name: 'SQLite',
  idType: sql`text`,
  bytesType: 'blob',
  noBytes: sql`x''`,
  tableExists: (table) => sql`select count(*) as found from sqlite_master where type = 'table' and name = ${table}`,
  lockSchema: async () => undefined, // a transaction that writes already excludes others
  skipLocked: (due) => due,
  rows: (columns, rows) => {
    const list = Object.keys(columns).map((name) => sql`value ->> ${sql.lit(`$.${name}`)} as ${sql.id(name)}`);
    return sql`(select ${sql.join(list)} from json_each(${JSON.stringify(rows)})) as rows`;
  },
  tryLock: async () => true, // a transaction that writes already excludes others
  nowMs: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
  durably: async () => undefined, // every commit is: synchronous=FULL
  notify: async () => undefined, // other processes watch the file
  openFeed: (db, _channel, events) => watchSqlite(db, events),
  isOutage: (error) => OUTAGES.has(resultCode(error)),
  isContention: isBusy,
  isLostConnection: () => false,
  describe: (error) => sqliteTrouble(file, error, resultCode(error)),
});

/**
 * Opens the file for kysely. Every call of node:sqlite blocks the process, so SQLite itself never
 * waits for a lock (`timeout: 0`): the waits are asynchronous, between the tries.
 * @throws DatabaseTrouble
 */
export async function openSqlite({ file }: SqliteOptions, patienceMs: number): Promise<Dialect> {
  try {
    await makePrivate(file);
    return await open(file, patienceMs);
  } catch (error) {
    throw sqliteTrouble(file, error, resultCode(error));
  }
}

/**
 * Makes the file private. SQLite gives its WAL the mode of the database, so both are for the owner
 * only.
 */
async function makePrivate(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const handle = await openFile(file, 'a', 0o600);
  try {
    await handle.chmod(0o600);
  } finally {
    await handle.close();
  }
  for (const beside of [`${file}-wal`, `${file}-shm`]) await chmod(beside, 0o600).catch(ignoreGone);
}

async function open(file: string, patienceMs: number): Promise<Dialect> {
  const database = new DatabaseSync(file, { timeout: 0, enableForeignKeyConstraints: true });
  try {
    const configure = async () => {
      database.exec('pragma journal_mode = wal'); // readers and the one writer do not wait for each other
      // NORMAL would be faster, but a power cut could then undo acknowledged writes, such as a
      // tenant's suspension.
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

/** Returns SQLite's primary result code, which is the low byte of the extended ones. */
function resultCode(error: unknown): number {
  return Error.isError(error) && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
}
