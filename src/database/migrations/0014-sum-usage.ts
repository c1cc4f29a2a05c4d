import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function sumUsage(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('usage_sums')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('start', 'bigint', (column) => column.notNull())
    .addColumn('hours', 'integer', (column) => column.notNull())
    .addColumn('operations', 'bigint', (column) => column.notNull())
    .addColumn('failures', 'bigint', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('vault_calls', 'bigint', (column) => column.notNull())
    .addColumn('leases', 'bigint', (column) => column.notNull())
    .addColumn('leased_messages', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('usage_sums_key', ['tenant_id', 'start', 'hours'])
    .execute();
  // Hours that become part of a day, and days that are removed, are found by their time.
  await trx.schema
    .createIndex('usage_sums_hours')
    .on('usage_sums')
    .columns(['start', 'tenant_id'])
    .where(sql.ref('hours'), '=', sql.lit(1))
    .execute();
  await trx.schema
    .createIndex('usage_sums_days')
    .on('usage_sums')
    .columns(['start', 'tenant_id'])
    .where(sql.ref('hours'), '=', sql.lit(24))
    .execute();
}
