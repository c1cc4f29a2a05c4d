import { sql } from 'kysely';
import type { QuotaStore } from '../../tenants/quotas.ts';
import type { RowColumns } from '../dialect.ts';
import type { SqlDatabase } from '../open-database.ts';

const ROWS = {
  tenant_id: 'text',
  start: 'bigint',
  period_ms: 'bigint',
  operations: 'bigint',
  bytes: 'bigint',
} as const satisfies RowColumns;

interface Row {
  readonly tenant_id: string;
  readonly start: number;
  readonly period_ms: number;
  readonly operations: number;
  readonly bytes: number;
}

/** A row of the same period is added to, and one of an earlier or another period is replaced. */
const isSame = sql`quota_uses.start = excluded.start and quota_uses.period_ms = excluded.period_ms`;
const isOlder = sql`quota_uses.period_ms = excluded.period_ms and quota_uses.start > excluded.start`;
const counted = (name: 'operations' | 'bytes') => {
  const [stored, added] = [sql.ref(`quota_uses.${name}`), sql.ref(`excluded.${name}`)];
  return sql`${sql.ref(name)} = case when ${isSame} then ${stored} + ${added}
    when ${isOlder} then ${stored} else ${added} end`;
};

export const quotaTable = ({ read, write, dialect }: SqlDatabase): QuotaStore => ({
  find: async (tenantId) => {
    const row = await read((db) =>
      db.selectFrom('quota_uses').selectAll().where('tenant_id', '=', tenantId).executeTakeFirst(),
    );
    return row && useOf(row);
  },

  add: async (uses) => {
    const rows = [...uses]
      .sort((a, b) => (a.tenantId < b.tenantId ? -1 : 1)) // so that two processes cannot wait for each other
      .map(({ tenantId, start, periodMs, operations, bytes }) => {
        return { tenant_id: tenantId, start, period_ms: periodMs, operations, bytes };
      });
    const { rows: sums } = await write((trx) =>
      sql<Row>`insert into quota_uses (tenant_id, start, period_ms, operations, bytes)
        select tenant_id, start, period_ms, operations, bytes from ${dialect.rows(ROWS, rows)} where true
        on conflict (tenant_id) do update set ${counted('operations')}, ${counted('bytes')},
          start = case when ${isOlder} then quota_uses.start else excluded.start end, period_ms = excluded.period_ms
        returning tenant_id, start, period_ms, operations, bytes`.execute(trx),
    );
    return sums.map(useOf);
  },
});

const useOf = ({ tenant_id, start, period_ms, operations, bytes }: Row) => {
  return { tenantId: tenant_id, start, periodMs: period_ms, operations, bytes };
};
