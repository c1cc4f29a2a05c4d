import { sql } from 'kysely';
import { DAY_MS, dayOf } from '../../audit/days.ts';
import type { SqlDatabase } from '../open-database.ts';

/** The days of `audit_records`: partitions in PostgreSQL, ranges of `at` in SQLite. */
interface AuditDays {
  create(day: number): Promise<void>;
  list(): Promise<readonly number[]>;
  drop(day: number): Promise<void>;
  /** Forgets which days exist. */
  forget(): void;
}

export const auditDays = (database: SqlDatabase): AuditDays =>
  database.dialect.name === 'SQLite' ? rangesOf(database) : partitionsOf(database);

/** Any number other than that of the schema lock. */
const PARTITION_LOCK = 7_355_609;

function partitionsOf({ read, write }: SqlDatabase): AuditDays {
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

    async drop(day) {
      await write((trx) => trx.schema.dropTable(nameOf(day)).ifExists().execute());
      known.delete(day);
    },
  };
}

const rangesOf = ({ read, write }: SqlDatabase): AuditDays => ({
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

  async drop(day) {
    await write((trx) =>
      trx
        .deleteFrom('audit_records')
        .where('at', '>=', day * DAY_MS)
        .where('at', '<', (day + 1) * DAY_MS)
        .execute(),
    );
  },
});

const nameOf = (day: number): string =>
  `audit_records_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;

function dayNamed(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return dayOf(Date.UTC(Number(year), Number(month) - 1, Number(day)));
}
