import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function storeLeases(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('leases')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('id', idType, (column) => column.notNull())
    .addColumn('holder', idType, (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('kid', idType, (column) => column.notNull())
    .addColumn('key_id', idType, (column) => column.notNull())
    .addColumn('max_messages', 'bigint', (column) => column.notNull())
    .addColumn('ends_at', 'bigint', (column) => column.notNull())
    .addColumn('due_at', 'bigint')
    .addColumn('sealed', 'bigint', (column) => column.notNull())
    .addColumn('opened', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('finished_at', 'bigint')
    .addPrimaryKeyConstraint('leases_key', ['tenant_id', 'id'])
    .execute();
  await trx.schema
    .createTable('lease_openings')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('holder', idType, (column) => column.notNull())
    .addColumn('kid', idType, (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('key_id', idType, (column) => column.notNull())
    .addColumn('ends_at', 'bigint', (column) => column.notNull())
    .addColumn('due_at', 'bigint')
    .addPrimaryKeyConstraint('lease_openings_key', ['tenant_id', 'holder', 'kid'])
    .execute();
  for (const table of ['leases', 'lease_openings'] as const) {
    // Limits count what has not ended; rounds look for what is due, and for what ended long ago.
    await trx.schema.createIndex(`${table}_live`).on(table).columns(['tenant_id', 'ends_at']).execute();
    await trx.schema.createIndex(`${table}_old`).on(table).column('ends_at').execute();
    await trx.schema
      .createIndex(`${table}_due`)
      .on(table)
      .column('due_at')
      .where(sql.ref('due_at'), 'is not', null)
      .execute();
  }
}
