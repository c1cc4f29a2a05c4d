import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function storeSiemCursors(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('siem_cursors')
    .addColumn('tenant_id', idType, (column) => column.primaryKey())
    .addColumn('is_followed', 'integer', (column) => column.notNull())
    .addColumn('next', 'bigint', (column) => column.notNull())
    .addColumn('delivered_until', 'bigint')
    .addColumn('delivered_at', 'bigint')
    .addColumn('due_at', 'bigint', (column) => column.notNull())
    .addColumn('lease_owner', idType)
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('trouble', 'text')
    .addColumn('trouble_since', 'bigint')
    .execute();
  await trx.schema
    .createIndex('siem_cursors_due')
    .on('siem_cursors')
    .columns(['due_at'])
    .where(sql.ref('is_followed'), '=', 1)
    .execute();
}
