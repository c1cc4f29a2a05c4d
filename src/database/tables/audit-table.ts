import { type Expression, type SqlBool, sql } from 'kysely';
import type { SqlDatabase } from '../open-database.ts';

/** One record of the audit log, with its line as it stands in the file, without the newline. */
export interface AuditRow {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Together with `sequence` this names the record. */
  readonly chain: string;
  readonly sequence: number;
  readonly tenantId: string | undefined;
  /** The chain of which a record of type `removed` says that its beginning went. */
  readonly removes: string | undefined;
  readonly line: string;
}

export type AuditPlace = Pick<AuditRow, 'at' | 'chain' | 'sequence'>;
type PlacedLine = AuditPlace & Pick<AuditRow, 'line'>;

export interface AuditPageQuery {
  readonly tenantId: string;
  /** Milliseconds since 1970: from `from` on, and before `to`. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Older than this record. */
  readonly before?: AuditPlace | undefined;
  readonly limit: number;
}

/** Every method rejects with ServiceError `registry-unavailable` while the database is out of reach. Days count from 1970. */
export interface AuditTable {
  /** Rows that are there already stay as they are. */
  add(rows: readonly AuditRow[]): Promise<void>;
  /** The newest of a chain; -1 where there is none. */
  lastSequence(chain: string): Promise<number>;
  /** Newest first. */
  page(query: AuditPageQuery): Promise<readonly PlacedLine[]>;
  /** The first record of the chain that follows in the order of ids; '' for the first. */
  nextChain(after: string): Promise<PlacedLine | undefined>;
  /** The next records of a chain. */
  following(chain: string, sequence: number, limit: number): Promise<readonly PlacedLine[]>;
  /** The last record that the chain before this one, in the order of ids, has on a day. */
  endOnDay(day: number, before: string | undefined): Promise<PlacedLine | undefined>;
  /** Lines of type `removed` of a day, whose chains have later records. */
  removalsOnDay(day: number): Promise<readonly string[]>;
  days(): Promise<readonly number[]>;
  createDay(day: number): Promise<void>;
  dropDay(day: number): Promise<void>;
}

/** Any number but that of the schema's lock. */
const PARTITION_LOCK = 7_355_609;
export const DAY_MS = 86_400_000;
const PLACED = ['at', 'chain', 'sequence', 'line'] as const;

export function auditTable({ read, write }: SqlDatabase): AuditTable {
  const known = new Set<number>();
  const createDay = async (day: number) => {
    if (known.has(day)) return;
    await write(async (trx) => {
      // Two at once would both find none: "if not exists" doesn't wait for the other.
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

    async add(rows) {
      for (const day of new Set(rows.map(({ at }) => dayOf(at)))) await createDay(day);
      try {
        await write((trx) => insert(rows).execute(trx));
      } catch (error) {
        known.clear(); // a partition may have been dropped by another process
        throw error;
      }
    },

    lastSequence: async (chain) => {
      const last = await read((db) =>
        db
          .selectFrom('audit_records')
          .select('sequence')
          .where('chain', '=', chain)
          .orderBy('sequence', 'desc')
          .limit(1)
          .executeTakeFirst(),
      );
      return last?.sequence ?? -1;
    },

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

/** One statement with a parameter for each column, however many rows. Lines have no line break: joined, their many quotes need no escape. */
const insert = (rows: readonly AuditRow[]) => sql`
  insert into audit_records (at, chain, sequence, tenant_id, removes, line)
  select * from unnest(
    ${rows.map(({ at }) => at)}::bigint[], ${rows.map(({ chain }) => chain)}::text[],
    ${rows.map(({ sequence }) => sequence)}::bigint[], ${rows.map(({ tenantId }) => tenantId ?? null)}::text[],
    ${rows.map(({ removes }) => removes ?? null)}::text[], string_to_array(${rows.map(({ line }) => line).join('\n')}::text, E'\\n'))
  on conflict do nothing`;

const olderThan = ({ at, chain, sequence }: AuditPlace): Expression<SqlBool> =>
  sql<SqlBool>`(at, chain, sequence) < (${at}::bigint, ${chain}::text, ${sequence}::bigint)`;

const dayOf = (at: number): number => Math.floor(at / DAY_MS);

const nameOf = (day: number): string =>
  `audit_records_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;

function dayNamed(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return dayOf(Date.UTC(Number(year), Number(month) - 1, Number(day)));
}
