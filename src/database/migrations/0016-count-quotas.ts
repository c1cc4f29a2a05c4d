import type { Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function countQuotas(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('quota_uses')
    .addColumn('tenant_id', idType, (column) => column.primaryKey())
    .addColumn('start', 'bigint', (column) => column.notNull())
    .addColumn('period_ms', 'bigint', (column) => column.notNull())
    .addColumn('operations', 'bigint', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .execute();
}
