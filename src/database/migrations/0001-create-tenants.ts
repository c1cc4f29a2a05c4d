import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function createTenants(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await createChangeCounter(trx);
  await createRecords(trx, idType);
  await createChecks(trx, idType);
}

async function createChangeCounter(trx: Transaction<Schema>): Promise<void> {
  await trx.schema
    .createTable('tenant_changes')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .execute();
  await trx.insertInto('tenant_changes').values({ id: 1, sequence: 0 }).execute();
}

async function createRecords(trx: Transaction<Schema>, idType: SqlDialect['idType']): Promise<void> {
  await trx.schema
    .createTable('tenants')
    .addColumn('id', idType, (column) => column.primaryKey())
    .addColumn('record', 'text', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addColumn('removed_at', 'bigint')
    .addColumn('change_sequence', 'bigint', (column) => column.notNull())
    .execute();
  // Pages of a list skip no tombstones.
  await trx.schema
    .createIndex('tenants_listed')
    .on('tenants')
    .column('id')
    .where(sql.ref('removed_at'), 'is', null)
    .execute();
  await trx.schema.createIndex('tenants_by_change').unique().on('tenants').column('change_sequence').execute();
  await trx.schema
    .createTable('tenant_keys')
    .addColumn('vault_key', idType, (column) => column.primaryKey())
    .addColumn('tenant_id', idType, (column) => column.notNull().references('tenants.id'))
    .execute();
  await trx.schema.createIndex('tenant_keys_by_tenant').on('tenant_keys').column('tenant_id').execute();
  await trx.schema
    .createTable('tenant_history')
    .addColumn('tenant_id', idType, (column) => column.notNull().references('tenants.id'))
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('record', 'text', (column) => column.notNull())
    .addColumn('changed_by', 'text', (column) => column.notNull())
    .addColumn('changed_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('tenant_history_key', ['tenant_id', 'revision'])
    .execute();
}

/** Creates the tables of checks. They do not reference tenants, which may be in a file. */
async function createChecks(trx: Transaction<Schema>, idType: SqlDialect['idType']): Promise<void> {
  await trx.schema
    .createTable('tenant_checks')
    .addColumn('tenant_id', idType, (column) => column.primaryKey())
    .addColumn('is_watched', 'smallint', (column) => column.notNull())
    .addColumn('due_at', 'bigint', (column) => column.notNull())
    .addColumn('lease_owner', 'text')
    .addColumn('last_check', 'text')
    .addColumn('changes', 'integer', (column) => column.notNull())
    .execute();
  await trx.schema.createIndex('tenant_checks_due').on('tenant_checks').columns(['is_watched', 'due_at']).execute();
  await trx.schema
    .createTable('check_history')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('change', 'integer', (column) => column.notNull())
    .addColumn('check', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('check_history_key', ['tenant_id', 'change'])
    .execute();
}
