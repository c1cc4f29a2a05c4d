import type { Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function storeOtlpCursors(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('otlp_cursors')
    .addColumn('chain', idType, (column) => column.primaryKey())
    .addColumn('next', 'bigint', (column) => column.notNull())
    .addColumn('delivered_until', 'bigint')
    .addColumn('delivered_at', 'bigint')
    .addColumn('due_at', 'bigint', (column) => column.notNull())
    .addColumn('lease_owner', idType)
    .addColumn('failures', 'integer', (column) => column.notNull())
    .execute();
}
