import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely';
import { BoundedMap } from '../lib/bounded-map.ts';

const MAX_STATEMENTS = 256;

/**
 * Returns a Kysely driver on one connection of node:sqlite. Kysely itself gives it to one query or
 * transaction at a time, because its adapter declares one connection. So transactions do not
 * interleave.
 */
export function sqliteDriver(database: DatabaseSync): Driver {
  const connection = new SqliteConnection(database);
  const run = (sql: string) => async () => {
    await connection.executeQuery(CompiledQuery.raw(sql));
  };
  return {
    init: async () => undefined,
    acquireConnection: async () => connection,
    // IMMEDIATE takes the write lock at once: a lock that is requested later fails with
    // SQLITE_BUSY, however long the wait.
    beginTransaction: run('begin immediate'),
    commitTransaction: run('commit'),
    rollbackTransaction: async () => {
      if (database.isTransaction) await connection.executeQuery(CompiledQuery.raw('rollback')); // some failures roll back by themselves
    },
    releaseConnection: async () => undefined,
    destroy: async () => database.close(),
  };
}

interface Prepared {
  readonly statement: StatementSync;
  readonly hasRows: boolean;
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #prepared = new BoundedMap<Prepared>(MAX_STATEMENTS);

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { statement, hasRows } = this.#prepare(sql);
    const values = parameters as SQLInputValue[]; // strings, numbers and null: the schema has no other columns
    if (hasRows) return { rows: statement.all(...values) as R[] };
    const { changes } = statement.run(...values);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  // biome-ignore lint/correctness/useYield: kysely asks for a generator, and nothing here streams
  async *streamQuery<R>(): AsyncGenerator<QueryResult<R>> {
    throw new Error('This database does not stream');
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    const prepared = { statement, hasRows: statement.columns().length > 0 };
    this.#prepared.set(sql, prepared);
    return prepared;
  }
}
