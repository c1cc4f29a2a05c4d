import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

const ROWS_AT_ONCE = 1_000;
const EDGES = { tenant_id: 'text', edge: 'text' } as const;

/** The edge of a tree was text: its hashes in base64 with spaces. Now it is their bytes. */
export async function packEdges(trx: Transaction<Schema>, dialect: SqlDialect): Promise<void> {
  const unhexed = dialect.name === 'SQLite' ? sql`unhex(rows.edge)` : sql`decode(rows.edge, 'hex')`;
  await sql`alter table log_heads rename column edge to edge_text`.execute(trx);
  await trx.schema
    .alterTable('log_heads')
    .addColumn('edge', dialect.bytesType, (column) => column.notNull().defaultTo(dialect.noBytes))
    .execute();
  for (let after: string | undefined; ; ) {
    const { rows } = await sql<{ tenant_id: string; edge: string }>`select tenant_id, edge_text as edge from log_heads
      ${after === undefined ? sql`` : sql`where tenant_id > ${after}`}
      order by tenant_id limit ${sql.lit(ROWS_AT_ONCE)}`.execute(trx);
    const last = rows.at(-1);
    if (!last) break;
    const packed = rows.map((row) => ({ ...row, edge: hexOf(row.edge) }));
    await sql`update log_heads set edge = ${unhexed}
      from ${dialect.rows(EDGES, packed)} where rows.tenant_id = log_heads.tenant_id`.execute(trx);
    after = last.tenant_id;
  }
  await sql`alter table log_heads drop column edge_text`.execute(trx);
}

const hexOf = (edge: string): string =>
  Buffer.concat(edge.split(' ').map((hash) => Buffer.from(hash, 'base64'))).toString('hex');
