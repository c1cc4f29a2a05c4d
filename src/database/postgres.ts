import { type Dialect, PostgresDialect, type PostgresPoolClient, sql } from 'kysely';
import { type ClientBase, type ClientConfig, DatabaseError, Pool, type PoolClient } from 'pg';
import { postgresTrouble } from './describe-trouble.ts';
import type { SqlDialect } from './dialect.ts';
import { channelName, encodeChange, listenToPostgres } from './postgres-feed.ts';

/** Any number, as long as every version of this program uses the same one. */
const SCHEMA_LOCK = 7_355_608;

/**
 * SQLSTATE classes and codes with which the server cannot serve now:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const OUTAGE = /^(?:08|28|40|53|57|58|3D000|25006|55P03|XX)/;
/** Serialization failure, deadlock. */
const CONTENTION: ReadonlySet<string> = new Set(['40001', '40P01']);
/** Ended by an administrator or by a crash, and the system's codes for a broken connection. */
const LOST: ReadonlySet<string> = new Set(['57P01', '57P02', 'ECONNRESET', 'EPIPE']);

/**
 * Opens a pool. `statementTimeoutMs` is set after connecting, since poolers refuse it as a
 * parameter of the connection; 0 keeps the server's value.
 */
export function openPostgres(connection: ClientConfig, maxConnections: number, statementTimeoutMs: number): Dialect {
  const { password } = connection;
  const limits = {
    max: maxConnections,
    ...(statementTimeoutMs > 0 && {
      onConnect: async (client: ClientBase) => {
        await client.query(`set statement_timeout = ${statementTimeoutMs}`);
      },
    }),
  };
  if (typeof password !== 'function') return dialectOf(new Pool({ ...connection, ...limits }));
  // The password is fetched before connecting: if it failed during the handshake, pg would leave
  // the connection open until the server's timeout.
  let asked = '';
  const pool = new Pool({ ...connection, ...limits, password: () => asked });
  return dialectOf(pool, async () => {
    if (pool.idleCount === 0) asked = await password();
  });
}

function dialectOf(pool: Pool, beforeConnect?: () => Promise<void>): Dialect {
  // Without listeners, a lost connection would end the process, whether idle or between two
  // statements of a transaction.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new PostgresDialect({
    pool: {
      options: pool.options,
      connect: async () => {
        await beforeConnect?.();
        return pooledClient(await pool.connect());
      },
      end: () => pool.end(),
    },
  });
}

export const postgresDialect = (pooled: ClientConfig, listening: ClientConfig): SqlDialect => ({
  name: 'PostgreSQL',
  idType: sql`text collate "C"`,
  bytesType: 'bytea',
  noBytes: sql`''::bytea`,
  tableExists: (table) => sql`select count(to_regclass(${table})) as found`,
  lockSchema: async (trx) => {
    await sql`set local statement_timeout = 0`.execute(trx); // a pooler's connection may have another's limit
    await sql`select pg_advisory_xact_lock(${SCHEMA_LOCK})`.execute(trx);
  },
  skipLocked: (due) => due.forUpdate().skipLocked(),
  rows: (columns, rows) => {
    const list = Object.entries(columns).map(([name, type]) => sql`${sql.id(name)} ${sql.raw(type)}`);
    return sql`json_to_recordset(${JSON.stringify(rows)}::json) as rows(${sql.join(list)})`;
  },
  tryLock: async (trx, lock) => {
    const { rows } = await sql<{ held: boolean }>`select pg_try_advisory_xact_lock(${lock}) as held`.execute(trx);
    return rows[0]?.held === true;
  },
  nowMs: sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`,
  durably: async (trx) => {
    await sql`set local synchronous_commit = on`.execute(trx);
  },
  notify: async (trx, channel, change) => {
    await sql`select pg_notify(${channelName(channel)}, ${encodeChange(change)})`.execute(trx);
  },
  openFeed: (_db, channel, events) => listenToPostgres(listening, channel, events),
  isOutage,
  describe: (error) => postgresTrouble({ host: pooled.host ?? '', port: pooled.port ?? 0 }, error),
  isContention: (error) => CONTENTION.has(codeOf(error)),
  isLostConnection: (error) =>
    LOST.has(codeOf(error)) || (Error.isError(error) && error.message === 'Connection terminated unexpectedly'),
});

/**
 * Returns a client that discards its connection after any failure other than the server's answer:
 * it may still wait for that answer.
 */
function pooledClient(client: PoolClient): PostgresPoolClient {
  let isBroken = false;
  const query = async (text: string, parameters: readonly unknown[]) => {
    try {
      return await client.query(text, [...parameters]);
    } catch (error) {
      isBroken ||= !isDatabaseError(error);
      throw error;
    }
  };
  return {
    query: query as unknown as PostgresPoolClient['query'], // its other form takes cursors, which are not used
    release: (destroy = false) => client.release(destroy || isBroken),
  };
}

const codeOf = (error: unknown): string =>
  Error.isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : '';

const isDatabaseError = (error: unknown): error is DatabaseError => error instanceof DatabaseError;

/**
 * Returns whether the error means an outage. pg has no class for lost connections and timeouts:
 * they are plain errors, which our own mistakes are not.
 */
function isOutage(error: unknown): boolean {
  if (isDatabaseError(error)) return OUTAGE.test(codeOf(error));
  return Error.isError(error) && ['Error', 'AggregateError'].includes(error.name);
}
