import { sql } from 'kysely';
import type { ChainEnd } from '../../audit/audit-table.ts';
import { DAY_MS, dayOf } from '../../audit/days.ts';
import type { SqlDatabase } from '../open-database.ts';
import { endsOnDay, noteRemoved } from './audit-chains.ts';

/** The days of `audit_records`: partitions in PostgreSQL, ranges of `at` in SQLite. */
interface AuditDays {
  create(day: number): Promise<void>;
  list(): Promise<readonly number[]>;
  drop(day: number, ends: readonly ChainEnd[]): Promise<boolean>;
  /** Forgets which days exist. */
  forget(): void;
}

export const auditDays = (database: SqlDatabase): AuditDays =>
  database.dialect.name === 'SQLite' ? rangesOf(database) : partitionsOf(database);

/** Any number other than that of the schema lock. */
const PARTITION_LOCK = 7_355_609;

function partitionsOf(database: SqlDatabase): AuditDays {
  const { read, write, dialect } = database;
  const known = new Set<number>();
  return {
    forget: () => known.clear(),

    async create(day) {
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
    },

    async list() {
      const { rows } = await read((db) =>
        sql<{ name: string }>`select relname as name from pg_inherits join pg_class on oid = inhrelid
          where inhparent = 'audit_records'::regclass order by 1`.execute(db),
      );
      return rows.map(({ name }) => dayNamed(name));
    },

    // The chains are noted in a transaction of its own: with the lock, it would wait for others that wait for it.
    async drop(day, ends) {
      await noteRemoved(database, ends);
      const isDropped = await write(async (trx) => {
        await sql`lock table only audit_records in access exclusive mode`.execute(trx);
        const { rows: found } = await sql<{ name: string | null }>`select to_regclass(${nameOf(day)}) as name`.execute(
          trx,
        );
        if (typeof found[0]?.name !== 'string') return true;
        const { rows } = await endsOnDay(sql`${sql.table(nameOf(day))}`, dialect).execute(trx);
        if (!isEqual(rows, ends)) return false;
        await trx.schema.dropTable(nameOf(day)).execute();
        return true;
      });
      known.delete(day);
      return isDropped;
    },
  };
}

const rangesOf = ({ read, write, dialect }: SqlDatabase): AuditDays => ({
  forget: () => undefined,
  create: async () => undefined,

  // One look-up of the index for each day, not one for each record.
  async list() {
    const { rows } = await read((db) =>
      sql<{ day: number }>`with recursive days(day) as (
        select min(at) / ${sql.lit(DAY_MS)} from audit_records
        union all
        select (select min(at) from audit_records where at >= (day + 1) * ${sql.lit(DAY_MS)}) / ${sql.lit(DAY_MS)}
        from days where day is not null
      ) select day from days where day is not null`.execute(db),
    );
    return rows.map(({ day }) => day);
  },

  async drop(day, ends) {
    await noteRemoved({ write, dialect }, ends);
    return write(async (trx) => {
      const ofDay = sql`at >= ${day * DAY_MS} and at < ${(day + 1) * DAY_MS}`;
      const { rows } = await endsOnDay(
        sql`(select chain, sequence from audit_records where ${ofDay})`,
        dialect,
      ).execute(trx);
      if (!isEqual(rows, ends)) return false;
      await sql`delete from audit_records where ${ofDay}`.execute(trx);
      return true;
    });
  },
});

/** Returns whether these are the same ends, in whatever order. */
function isEqual(some: readonly ChainEnd[], others: readonly ChainEnd[]): boolean {
  const known = new Map(others.map(({ chain, through }) => [chain, through]));
  return some.length === known.size && some.every(({ chain, through }) => known.get(chain) === through);
}

const nameOf = (day: number): string =>
  `audit_records_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;

function dayNamed(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return dayOf(Date.UTC(Number(year), Number(month) - 1, Number(day)));
}
