import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

/** The transparency log of each tenant, and the audit table on SQLite, which lacked it until now. */
export async function storeTransparencyLog(trx: Transaction<Schema>, { name, idType }: SqlDialect): Promise<void> {
  if (name === 'SQLite') await storeRecordsInSqlite(trx, idType);
  await trx.schema
    .createTable('audit_chains')
    .addColumn('chain', idType, (column) => column.primaryKey())
    .addColumn('stored', 'bigint', (column) => column.notNull())
    .addColumn('sequenced', 'bigint', (column) => column.notNull())
    .addColumn('waiting_since', 'bigint')
    .execute();
  await trx.schema
    .createIndex('audit_chains_with_news')
    .on('audit_chains')
    .column('chain')
    .where(sql<boolean>`stored > sequenced`)
    .execute();
  await trx.schema
    .createTable('log_gaps')
    .addColumn('chain', idType, (column) => column.notNull())
    .addColumn('first', 'bigint', (column) => column.notNull())
    .addColumn('last', 'bigint', (column) => column.notNull())
    .addColumn('filled', 'bigint', (column) => column.notNull())
    .addColumn('noted_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('log_gaps_key', ['chain', 'first'])
    .execute();
  await trx.schema
    .createTable('log_entries')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('leaf', 'text', (column) => column.notNull())
    .addColumn('chain', idType, (column) => column.notNull())
    .addColumn('chain_sequence', 'bigint')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('line', 'text')
    .addPrimaryKeyConstraint('log_entries_key', ['tenant_id', 'sequence'])
    .execute();
  await trx.schema
    .createIndex('log_entries_by_record')
    .unique()
    .on('log_entries')
    .columns(['chain', 'chain_sequence'])
    .where(sql.ref('chain_sequence'), 'is not', null)
    .execute();
  await trx.schema
    .createTable('log_subtrees')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('level', 'integer', (column) => column.notNull())
    .addColumn('place', 'bigint', (column) => column.notNull())
    .addColumn('root', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('log_subtrees_key', ['tenant_id', 'level', 'place'])
    .execute();
  await trx.schema
    .createTable('log_heads')
    .addColumn('tenant_id', idType, (column) => column.primaryKey())
    .addColumn('size', 'bigint', (column) => column.notNull())
    .addColumn('edge', 'text', (column) => column.notNull())
    .addColumn('due_at', 'bigint')
    .addColumn('signed_size', 'bigint', (column) => column.notNull())
    .addColumn('checkpoint', 'text')
    .execute();
  await trx.schema
    .createIndex('log_heads_due')
    .on('log_heads')
    .column('due_at')
    .where(sql.ref('due_at'), 'is not', null)
    .execute();
  await trx.schema
    .createTable('log_anchor')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('generation', 'bigint', (column) => column.notNull())
    .addColumn('token', 'text')
    .addColumn('pending', 'text')
    .addColumn('lease_owner', 'text')
    .addColumn('lease_until', 'bigint', (column) => column.notNull())
    .execute();
  await trx.insertInto('log_anchor').values({ id: 1, generation: 1, lease_until: 0 }).execute();
}

async function storeRecordsInSqlite(trx: Transaction<Schema>, idType: SqlDialect['idType']): Promise<void> {
  await trx.schema
    .createTable('audit_records')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('chain', idType, (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('tenant_id', idType)
    .addColumn('removes', idType)
    .addColumn('line', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_records_key', ['chain', 'sequence', 'at'])
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
  // PostgreSQL has a partition for each day; here the days are found and deleted by this index.
  await trx.schema
    .createIndex('audit_records_by_time')
    .on('audit_records')
    .columns(['at', 'chain', 'sequence'])
    .execute();
}
