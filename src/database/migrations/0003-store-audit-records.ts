import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

/**
 * For PostgreSQL only, in partitions by day of `at`. SQLite gets the table with the transparency
 * log.
 */
export async function storeAuditRecords(trx: Transaction<Schema>, { name, idType }: SqlDialect): Promise<void> {
  if (name === 'SQLite') return;
  await trx.schema
    .createTable('audit_records')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('chain', idType, (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('tenant_id', idType)
    .addColumn('removes', idType)
    .addColumn('line', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_records_key', ['chain', 'sequence', 'at'])
    .modifyEnd(sql`partition by range (at)`)
    .execute();
  await trx.schema
    .createIndex('audit_records_by_tenant')
    .on('audit_records')
    .columns(['tenant_id', 'at', 'chain', 'sequence'])
    .where(sql.ref('tenant_id'), 'is not', null)
    .execute();
  await trx.schema
    .createIndex('audit_records_removals')
    .on('audit_records')
    .columns(['removes', 'at'])
    .where(sql.ref('removes'), 'is not', null)
    .execute();
}
