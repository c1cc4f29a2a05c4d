import { type Expression, type Kysely, type SqlBool, sql, type Transaction } from 'kysely';
import type { AuditPageQuery, AuditPlace, AuditRow, AuditTable, LineMarks } from '../../audit/audit-table.ts';
import { DAY_MS, dayOf } from '../../audit/days.ts';
import type { RowColumns, SqlDialect } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';
import { addUsage } from '../usage/usage-sums.ts';
import { forgetChains, noteChains } from './audit-chains.ts';
import { auditDays } from './audit-days.ts';

const PLACED = ['at', 'chain', 'sequence', 'line'] as const;

/** Some 10 ms. */
const SEARCHED_IN_SQLITE = 1_000;
/** One statement: while PostgreSQL has no statistics of a new day, each sorts all older records. */
const SEARCHED_IN_POSTGRES = 20_000;

export function auditTable(database: SqlDatabase): AuditTable {
  const { read, dialect } = database;
  const days = auditDays(database);
  return {
    createDay: days.create,
    days: days.list,
    dropDay: days.drop,
    forgetChains: async (before) => {
      await forgetChains(database, before);
    },

    now: async () => {
      const { rows } = await read((db) => sql<{ now: number }>`select ${dialect.nowMs} as now`.execute(db));
      return Number(rows[0]?.now);
    },

    async add(rows, after) {
      for (const day of new Set(rows.map(({ at }) => dayOf(at)))) await days.create(day);
      try {
        return await addAll(database, rows, after);
      } catch (error) {
        days.forget(); // another process may have dropped a partition
        throw error;
      }
    },

    last: (chain) =>
      read((db) =>
        db
          .selectFrom('audit_records')
          .select(['at', 'chain', 'sequence'])
          .where('chain', '=', chain)
          .orderBy('sequence', 'desc')
          .limit(1)
          .executeTakeFirst(),
      ),

    page: (query) => read((db) => newestFirst(db, query).select(PLACED).limit(query.limit).execute()),

    searchedAtOnce: dialect.name === 'SQLite' ? SEARCHED_IN_SQLITE : SEARCHED_IN_POSTGRES,
    search: (query) =>
      read(async (db) => {
        const { marks, scanned, limit } = query;
        const rows = await db
          .selectFrom(newestFirst(db, query).select(PLACED).limit(scanned).as('scanned'))
          .select(PLACED)
          .where(hasMarks(dialect, marks))
          .orderBy('at', 'desc')
          .orderBy('chain', 'desc')
          .orderBy('sequence', 'desc')
          .limit(limit)
          .execute();
        if (rows.length === limit) return { rows, end: undefined };
        const places = newestFirst(db, query).select(['at', 'chain', 'sequence']);
        const ends = await places
          .limit(2)
          .offset(scanned - 1)
          .execute();
        return { rows, end: ends.length === 2 ? ends[0] : undefined };
      }),

    nextChain: (after) =>
      read((db) =>
        db
          .selectFrom('audit_records')
          .select(PLACED)
          .where('chain', '>', after)
          .orderBy('chain')
          .orderBy('sequence')
          .limit(1)
          .executeTakeFirst(),
      ),

    following: (chain, sequence, limit) =>
      read((db) =>
        db
          .selectFrom('audit_records')
          .select(PLACED)
          .where('chain', '=', chain)
          .where('sequence', '>', sequence)
          .orderBy('sequence')
          .limit(limit)
          .execute(),
      ),

    endOnDay: (day, before) =>
      read((db) =>
        db
          .selectFrom('audit_records')
          .select(PLACED)
          .where('at', '>=', day * DAY_MS)
          .where('at', '<', (day + 1) * DAY_MS)
          .$if(before !== undefined, (rows) => rows.where('chain', '<', before ?? ''))
          .orderBy('chain', 'desc')
          .orderBy('sequence', 'desc')
          .limit(1)
          .executeTakeFirst(),
      ),

    removalsOnDay: async (day) => {
      const rows = await read((db) =>
        db
          .selectFrom('audit_records as note')
          .select('line')
          .where('removes', 'is not', null)
          .where('at', '>=', day * DAY_MS)
          .where('at', '<', (day + 1) * DAY_MS)
          .where(({ exists, selectFrom }) =>
            exists(
              selectFrom('audit_records as later')
                .select('later.chain')
                .whereRef('later.chain', '=', 'note.removes')
                .where('later.at', '>=', (day + 1) * DAY_MS),
            ),
          )
          .execute(),
      );
      return rows.map(({ line }) => line);
    },
  };
}

/**
 * Stores rows and their usage in one transaction: a failover between them would hide the records
 * that it lost. Rows that are stored already are rare, so which ones they are is asked only then.
 */
async function addAll(
  { write, dialect }: SqlDatabase,
  rows: readonly AuditRow[],
  after: AuditPlace | undefined,
): Promise<number | undefined> {
  const attempt = (isRepeat: boolean) =>
    write(async (trx) => {
      if (after && !(await has(trx, after))) return undefined;
      const removed = await noteChains(trx, lastOfChains(rows)); // locks them until the end
      // One that follows a stored record is new, unless it may be there under another time.
      const mayBeStored = after === undefined || rows.some(({ isRedated }) => isRedated);
      const news = mayBeStored ? await withoutStored(trx, rows) : rows;
      if (news.length === 0) return 0;
      const added = await (isRepeat ? addNew(trx, dialect, news) : addEach(trx, dialect, news));
      // A record that was removed with its day was counted while it was stored.
      const counted = added.filter(({ chain, sequence }) => sequence > (removed.get(chain) ?? -1));
      await addUsage(trx, dialect, counted);
      return added.length;
    });
  try {
    return await attempt(false);
  } catch (error) {
    if (!(error instanceof SomeStored)) throw error;
    return attempt(true);
  }
}

/**
 * Adds rows and returns them.
 * @throws SomeStored
 */
async function addEach(trx: Transaction<Schema>, dialect: SqlDialect, rows: readonly AuditRow[]) {
  const { numAffectedRows = 0n } = await insert(dialect, rows).execute(trx);
  if (Number(numAffectedRows) < rows.length) throw new SomeStored();
  return rows;
}

/** Adds those rows that are new and returns them. */
async function addNew(trx: Transaction<Schema>, dialect: SqlDialect, rows: readonly AuditRow[]) {
  const { rows: added } = await sql<NewRow>`${insert(dialect, rows)} returning chain, sequence`.execute(trx);
  const places = new Set(added.map(({ chain, sequence }) => `${chain} ${sequence}`));
  return rows.filter(({ chain, sequence }) => places.has(`${chain} ${sequence}`));
}

/** Returns those rows whose records the table does not have, under any time. */
async function withoutStored(trx: Transaction<Schema>, rows: readonly AuditRow[]): Promise<readonly AuditRow[]> {
  const stored = new Set<string>();
  for (const [chain, some] of Map.groupBy(rows, (row) => row.chain)) {
    const sequences = some.map(({ sequence }) => sequence);
    const found = await trx
      .selectFrom('audit_records')
      .select('sequence')
      .where('chain', '=', chain)
      .where('sequence', '>=', Math.min(...sequences))
      .where('sequence', '<=', Math.max(...sequences))
      .execute();
    for (const { sequence } of found) stored.add(`${chain} ${sequence}`);
  }
  return rows.filter(({ chain, sequence }) => !stored.has(`${chain} ${sequence}`));
}

/** Rolls back: some of the rows are in the table. */
class SomeStored extends Error {
  override readonly name = 'SomeStored'; // a plain error would count as an outage of the database
}

type NewRow = Pick<AuditRow, 'chain' | 'sequence'>;

/**
 * Returns one statement with a parameter for each column, however many rows. Lines have no line
 * break, so PostgreSQL gets them joined, without escapes for their many quotes.
 */
function insert({ name, rows: tableOf }: SqlDialect, rows: readonly AuditRow[]) {
  const into = sql`insert into audit_records (at, chain, sequence, tenant_id, removes, line)`;
  if (name === 'SQLite') {
    const members = rows.map(({ tenantId: tenant_id, usage: _usage, ...row }) => ({ ...row, tenant_id }));
    return sql`${into} select at, chain, sequence, tenant_id, removes, line from ${tableOf(COLUMNS, members)}
      where true on conflict do nothing`;
  }
  return sql`${into} select * from unnest(
    ${rows.map(({ at }) => at)}::bigint[], ${rows.map(({ chain }) => chain)}::text[],
    ${rows.map(({ sequence }) => sequence)}::bigint[], ${rows.map(({ tenantId }) => tenantId ?? null)}::text[],
    ${rows.map(({ removes }) => removes ?? null)}::text[], string_to_array(${rows.map(({ line }) => line).join('\n')}::text, E'\\n'))
  on conflict do nothing`;
}

const COLUMNS = {
  at: 'bigint',
  chain: 'text',
  sequence: 'bigint',
  tenant_id: 'text',
  removes: 'text',
  line: 'text',
} as const satisfies RowColumns;

function lastOfChains(rows: readonly AuditRow[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const { chain, sequence } of rows) last.set(chain, Math.max(sequence, last.get(chain) ?? -1));
  return last;
}

async function has(trx: Transaction<Schema>, { at, chain, sequence }: AuditPlace): Promise<boolean> {
  const found = await trx
    .selectFrom('audit_records')
    .select('sequence')
    .where('chain', '=', chain)
    .where('sequence', '=', sequence)
    .where('at', '=', at)
    .executeTakeFirst();
  return found !== undefined;
}

/** Returns a query of a tenant's records in a range of times, without its columns. */
const newestFirst = (db: Kysely<Schema>, { tenantId, from, to, before }: AuditPageQuery) =>
  db
    .selectFrom('audit_records')
    .where('tenant_id', '=', tenantId)
    .$if(from !== undefined, (rows) => rows.where('at', '>=', from ?? 0))
    .$if(to !== undefined, (rows) => rows.where('at', '<', to ?? 0))
    .$if(before !== undefined, (rows) => (before ? rows.where(olderThan(before)) : rows))
    .orderBy('at', 'desc')
    .orderBy('chain', 'desc')
    .orderBy('sequence', 'desc');

/** Both databases fold ASCII letters alone here; PostgreSQL would fold others by its locale. */
function hasMarks({ name }: SqlDialect, { exact, folded }: LineMarks): Expression<SqlBool> {
  const [find, text] = name === 'SQLite' ? [sql`instr`, sql`lower(line)`] : [sql`strpos`, sql`lower(line collate "C")`];
  const conditions = [
    ...exact.map((mark) => sql<SqlBool>`${find}(line, ${mark}) > 0`),
    ...folded.map((mark) => sql<SqlBool>`${find}(${text}, ${mark}) > 0`),
  ];
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`;
}

const olderThan = ({ at, chain, sequence }: AuditPlace): Expression<SqlBool> =>
  sql<SqlBool>`(at, chain, sequence) < (cast(${at} as bigint), cast(${chain} as text), cast(${sequence} as bigint))`;
