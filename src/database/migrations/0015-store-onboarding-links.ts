import type { Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function storeOnboardingLinks(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('onboarding_links')
    .addColumn('id', idType, (column) => column.primaryKey())
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('allow', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('revoked_at', 'bigint')
    .addColumn('used_at', 'bigint')
    .execute();
  await trx.schema
    .createIndex('onboarding_links_of_tenant')
    .on('onboarding_links')
    .columns(['tenant_id', 'created_at'])
    .execute();
}
