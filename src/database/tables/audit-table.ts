import { type Expression, type SqlBool, sql, type Transaction } from 'kysely';
import type { AuditPlace, AuditRow, AuditTable } from '../../audit/audit-table.ts';
import { DAY_MS, dayOf } from '../../audit/days.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

/** Any number other than that of the schema lock. */
const PARTITION_LOCK = 7_355_609;
const PLACED = ['at', 'chain', 'sequence', 'line'] as const;

export function auditTable({ read, write }: SqlDatabase): AuditTable {
  const known = new Set<number>();
  const createDay = async (day: number) => {
    if (known.has(day)) return;
    await write(async (trx) => {
      // Two processes at once would both find none: "if not exists" does not wait for the other.
      await sql`select pg_advisory_xact_lock(${PARTITION_LOCK})`.execute(trx);
      const bounds = sql`from (${sql.lit(day * DAY_MS)}) to (${sql.lit((day + 1) * DAY_MS)})`;
      await sql`create table if not exists ${sql.table(nameOf(day))} partition of audit_records for values ${bounds}`.execute(
        trx,
      );
    });
    known.add(day);
  };
  return {
    createDay,

    now: async () => {
      const { rows } = await read((db) =>
        sql<{ now: number }>`select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(db),
      );
      return Number(rows[0]?.now);
    },

    async add(rows, after) {
      for (const day of new Set(rows.map(({ at }) => dayOf(at)))) await createDay(day);
      try {
        // Both in one transaction: a failover between them would hide the records that it lost.
        return await write(async (trx) => {
          if (after && !(await has(trx, after))) return undefined;
          return Number((await insert(rows).execute(trx)).numAffectedRows ?? 0);
        });
      } catch (error) {
        known.clear(); // another process may have dropped a partition
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

    page: ({ tenantId, from, to, before, limit }) =>
      read((db) =>
        db
          .selectFrom('audit_records')
          .select(PLACED)
          .where('tenant_id', '=', tenantId)
          .$if(from !== undefined, (rows) => rows.where('at', '>=', from ?? 0))
          .$if(to !== undefined, (rows) => rows.where('at', '<', to ?? 0))
          .$if(before !== undefined, (rows) => (before ? rows.where(olderThan(before)) : rows))
          .orderBy('at', 'desc')
          .orderBy('chain', 'desc')
          .orderBy('sequence', 'desc')
          .limit(limit)
          .execute(),
      ),

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

    days: async () => {
      const { rows } = await read((db) =>
        sql<{ name: string }>`select relname as name from pg_inherits join pg_class on oid = inhrelid
          where inhparent = 'audit_records'::regclass order by 1`.execute(db),
      );
      return rows.map(({ name }) => dayNamed(name));
    },

    dropDay: async (day) => {
      await write((trx) => trx.schema.dropTable(nameOf(day)).ifExists().execute());
      known.delete(day);
    },
  };
}

/**
 * Returns one statement with a parameter for each column, however many rows. Lines have no line
 * break, so they are joined without escaping their many quotes.
 */
const insert = (rows: readonly AuditRow[]) => sql`
  insert into audit_records (at, chain, sequence, tenant_id, removes, line)
  select * from unnest(
    ${rows.map(({ at }) => at)}::bigint[], ${rows.map(({ chain }) => chain)}::text[],
    ${rows.map(({ sequence }) => sequence)}::bigint[], ${rows.map(({ tenantId }) => tenantId ?? null)}::text[],
    ${rows.map(({ removes }) => removes ?? null)}::text[], string_to_array(${rows.map(({ line }) => line).join('\n')}::text, E'\\n'))
  on conflict do nothing`;

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

const olderThan = ({ at, chain, sequence }: AuditPlace): Expression<SqlBool> =>
  sql<SqlBool>`(at, chain, sequence) < (${at}::bigint, ${chain}::text, ${sequence}::bigint)`;

const nameOf = (day: number): string =>
  `audit_records_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;

function dayNamed(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return dayOf(Date.UTC(Number(year), Number(month) - 1, Number(day)));
}
