import { sql, type Transaction } from 'kysely';
import type { AuditRow } from '../../audit/audit-table.ts';
import { DAY_MS } from '../../audit/days.ts';
import { HOUR_MS, type MeteredUsage, type UsageRange, type UsageTable } from '../../audit/usage/usage-table.ts';
import type { RowColumns, SqlDialect } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';
import type { Schema } from '../schema.ts';

const ROWS = {
  tenant_id: 'text',
  start: 'bigint',
  operations: 'bigint',
  failures: 'bigint',
  bytes: 'bigint',
  vault_calls: 'bigint',
  leases: 'bigint',
  leased_messages: 'bigint',
} as const satisfies RowColumns;

type SumRow = { -readonly [Name in keyof typeof ROWS]: (typeof ROWS)[Name] extends 'text' ? string : number };

/** Few enough that moving them into days takes well under a second. */
const MOVED_AT_ONCE = 10_000;

/** Any number other than those of the other locks. */
const COMPACT_LOCK = 7_355_613;

/** Adds the usage of stored records to their tenants' hours. */
export async function addUsage(
  trx: Transaction<Schema>,
  dialect: SqlDialect,
  rows: readonly AuditRow[],
): Promise<void> {
  const sums = new Sums();
  for (const { tenantId, at, usage } of rows) {
    if (tenantId === undefined || !usage) continue;
    const sum = sums.of(tenantId, at);
    sum.operations += usage.operations;
    sum.failures += usage.failures;
    sum.bytes += usage.bytes;
    sum.leases += usage.leases;
    sum.leased_messages += usage.leasedMessages;
  }
  await sums.add(trx, dialect);
}

export const usageSums = ({ read, write, dialect }: SqlDatabase): UsageTable => ({
  addVaultCalls: (calls) =>
    write(async (trx) => {
      const sums = new Sums();
      for (const { tenantId, at, calls: count } of calls) sums.of(tenantId, at).vault_calls += count;
      await sums.add(trx, dialect);
    }),

  byTenant: async (range, after, limit) => {
    const rows = await read((db) =>
      inRange(db, range)
        .select('tenant_id')
        .where('tenant_id', '>', after)
        .groupBy('tenant_id')
        .orderBy('tenant_id')
        .limit(limit)
        .execute(),
    );
    return rows.map(({ tenant_id, ...sums }) => ({ tenantId: tenant_id, ...usageOfRow(sums) }));
  },

  ofTenants: async (range, tenantIds) => {
    if (tenantIds.length === 0) return [];
    const rows = await read((db) =>
      inRange(db, range)
        .select('tenant_id')
        .where('tenant_id', 'in', [...tenantIds])
        .groupBy('tenant_id')
        .orderBy('tenant_id')
        .execute(),
    );
    return rows.map(({ tenant_id, ...sums }) => ({ tenantId: tenant_id, ...usageOfRow(sums) }));
  },

  byPeriod: async (range, tenantId, periodMs) => {
    const start = sql<number>`start - start % ${sql.lit(periodMs)}`;
    const rows = await read((db) =>
      inRange(db, range)
        .select(start.as('period'))
        .where('tenant_id', '=', tenantId)
        .groupBy(start)
        .orderBy(start)
        .execute(),
    );
    return rows.map(({ period, ...sums }) => ({ start: period, ...usageOfRow(sums) }));
  },

  compact: (hoursFrom, daysFrom) =>
    write(async (trx) => {
      if (!(await dialect.tryLock(trx, COMPACT_LOCK))) return false;
      const moved = await moveHours(trx, dialect, hoursFrom);
      const removed = await sql`delete from usage_sums where (tenant_id, start, hours) in (
        select tenant_id, start, hours from usage_sums where hours = 24 and start < ${daysFrom}
        order by start limit ${sql.lit(MOVED_AT_ONCE)})`.execute(trx);
      return moved + Number(removed.numAffectedRows ?? 0) > 0;
    }),
});

/** The sums of a transaction, by tenant and hour. */
class Sums {
  readonly #rows = new Map<string, SumRow>();

  of(tenantId: string, at: number): SumRow {
    const start = at - (at % HOUR_MS);
    return this.#rows.getOrInsertComputed(`${tenantId} ${start}`, () => ({
      tenant_id: tenantId,
      start,
      operations: 0,
      failures: 0,
      bytes: 0,
      vault_calls: 0,
      leases: 0,
      leased_messages: 0,
    }));
  }

  /** In one order in all processes, so that two transactions cannot wait for each other. */
  async add(trx: Transaction<Schema>, dialect: SqlDialect): Promise<void> {
    if (this.#rows.size === 0) return;
    const rows = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    await sql`insert into usage_sums (tenant_id, start, hours, ${NAMES})
      select tenant_id, start, 1, ${NAMES} from ${dialect.rows(ROWS, rows)} where true
      on conflict (tenant_id, start, hours) do update set ${ADDED}`.execute(trx);
  }
}

const MEMBERS = ['operations', 'failures', 'bytes', 'vault_calls', 'leases', 'leased_messages'] as const;
const NAMES = sql.join(MEMBERS.map((name) => sql.ref(name)));
const ADDED = sql.join(
  MEMBERS.map((name) => sql`${sql.ref(name)} = usage_sums.${sql.ref(name)} + excluded.${sql.ref(name)}`),
);
const SUMMED = sql.join(MEMBERS.map((name) => sql`sum(${sql.ref(name)})`));

/** Returns the number of rows that it moved from hours into days. */
async function moveHours(trx: Transaction<Schema>, { name }: SqlDialect, before: number): Promise<number> {
  const old = sql`select tenant_id, start, hours from usage_sums where hours = 1 and start < ${before}
    order by start, tenant_id limit ${sql.lit(MOVED_AT_ONCE)}`;
  const into = sql`insert into usage_sums (tenant_id, start, hours, ${NAMES})`;
  const day = sql`start - start % ${sql.lit(DAY_MS)}`;
  const added = sql`group by tenant_id, ${day} on conflict (tenant_id, start, hours) do update set ${ADDED}`;
  if (name === 'SQLite') {
    await sql`${into} select tenant_id, ${day}, 24, ${SUMMED} from usage_sums
      where (tenant_id, start, hours) in (${old}) ${added}`.execute(trx);
    const removed = await sql`delete from usage_sums where (tenant_id, start, hours) in (${old})`.execute(trx);
    return Number(removed.numAffectedRows ?? 0);
  }
  // One statement: a record that is counted at this moment is in the hour or comes after it.
  const moved = await sql`with moved as (delete from usage_sums where (tenant_id, start, hours) in (${old}) returning *)
    ${into} select tenant_id, ${day}, 24, ${SUMMED} from moved ${added}`.execute(trx);
  return Number(moved.numAffectedRows ?? 0);
}

type Summed = Readonly<Record<(typeof MEMBERS)[number], number | string | bigint>>;

const inRange = (db: Parameters<Parameters<SqlDatabase['read']>[0]>[0], { from, to }: UsageRange) =>
  db
    .selectFrom('usage_sums')
    .select(({ fn }) => [
      fn.sum('operations').as('operations'),
      fn.sum('failures').as('failures'),
      fn.sum('bytes').as('bytes'),
      fn.sum('vault_calls').as('vault_calls'),
      fn.sum('leases').as('leases'),
      fn.sum('leased_messages').as('leased_messages'),
    ])
    .where('start', '>=', from)
    .where('start', '<', to);

/** PostgreSQL returns sums of bigints as text. */
const usageOfRow = (row: Summed): MeteredUsage => ({
  operations: Number(row.operations),
  failures: Number(row.failures),
  bytes: Number(row.bytes),
  vaultCalls: Number(row.vault_calls),
  leases: Number(row.leases),
  leasedMessages: Number(row.leased_messages),
});
