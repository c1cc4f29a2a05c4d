import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function storeDrills(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('drill_changes')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .execute();
  await trx.insertInto('drill_changes').values({ id: 1, sequence: 0 }).execute();
  await trx.schema
    .createTable('drills')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('id', idType, (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('bound_ms', 'bigint', (column) => column.notNull())
    .addColumn('sign_in_bound_ms', 'bigint', (column) => column.notNull())
    .addColumn('started_by', 'text', (column) => column.notNull())
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('ends_at', 'bigint', (column) => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('report', 'text')
    .addColumn('change_sequence', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('drills_key', ['tenant_id', 'id'])
    .execute();
  await trx.schema
    .createIndex('drills_running')
    .unique()
    .on('drills')
    .column('tenant_id')
    .where(sql.ref('state'), '=', sql.lit('running'))
    .execute();
  await trx.schema.createIndex('drills_started').on('drills').column('change_sequence').execute();
  await trx.schema
    .createTable('drill_sightings')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('drill_id', idType, (column) => column.notNull())
    .addColumn('process', idType, (column) => column.notNull())
    .addColumn('mode', idType, (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('code', 'text')
    .addColumn('reason', 'text')
    .addColumn('scope', 'text')
    .addColumn('key_id', 'text')
    .addColumn('vault_request_id', 'text')
    .addColumn('vault_client_request_id', 'text')
    .addColumn('audit_request_id', 'text', (column) => column.notNull())
    .addColumn('from_at', 'bigint', (column) => column.notNull())
    .addColumn('to_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('drill_sightings_key', ['tenant_id', 'drill_id', 'process', 'mode', 'number'])
    .execute();
}
