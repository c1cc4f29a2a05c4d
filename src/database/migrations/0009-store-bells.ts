import type { Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function storeBells(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('bell_changes')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .execute();
  await trx.insertInto('bell_changes').values({ id: 1, sequence: 0 }).execute();
  await trx.schema
    .createTable('bells')
    .addColumn('tenant_id', idType, (column) => column.primaryKey())
    .addColumn('generation', 'integer', (column) => column.notNull())
    .addColumn('digest', idType, (column) => column.notNull().unique())
    .addColumn('rung_at', 'bigint', (column) => column.notNull())
    .addColumn('change_sequence', 'bigint', (column) => column.notNull())
    .execute();
  await trx.schema.createIndex('bells_rung').on('bells').column('change_sequence').execute();
}
