import type { Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function countKeyUsage(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('key_usage')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('key_id', idType, (column) => column.notNull())
    .addColumn('sealed', 'bigint', (column) => column.notNull())
    .addColumn('opened', 'bigint', (column) => column.notNull())
    .addColumn('last_used_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('key_usage_key', ['tenant_id', 'key_id'])
    .execute();
}
