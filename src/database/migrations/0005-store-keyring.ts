import { randomUUID } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';

export async function storeKeyring(trx: Transaction<Schema>, { idType }: SqlDialect): Promise<void> {
  await trx.schema
    .createTable('database_identity')
    .addColumn('id', idType, (column) => column.primaryKey())
    .execute();
  await trx.insertInto('database_identity').values({ id: randomUUID() }).execute();
  await trx.schema
    .createTable('keyring_changes')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .execute();
  await trx.insertInto('keyring_changes').values({ id: 1, sequence: 0 }).execute();
  await trx.schema
    .createTable('keyring_keys')
    .addColumn('tenant_id', idType, (column) => column.notNull())
    .addColumn('id', idType, (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('vault_key', idType, (column) => column.notNull())
    .addColumn('label', idType, (column) => column.notNull())
    .addColumn('jwe', 'text')
    .addColumn('kid', idType, (column) => column.notNull())
    .addColumn('made_under', idType)
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('copied_digest', idType)
    .addColumn('copied_kid', idType)
    .addColumn('rewrapped_at', 'bigint')
    .addColumn('destroyed_at', 'bigint')
    .addColumn('used_day', 'text')
    .addColumn('change_sequence', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('keyring_keys_key', ['tenant_id', 'id'])
    .execute();
  // Two processes may make one key at the same time: the second is refused and uses the first's.
  // Rows that were restored or imported have no `made_under`, so this index does not cover them.
  await trx.schema
    .createIndex('keyring_keys_made')
    .unique()
    .on('keyring_keys')
    .columns(['tenant_id', 'kind', 'vault_key', 'label', 'made_under'])
    .where(sql.ref('made_under'), 'is not', null)
    .execute();
  await trx.schema
    .createIndex('keyring_keys_by_label')
    .on('keyring_keys')
    .columns(['tenant_id', 'kind', 'vault_key', 'label', 'created_at', 'id'])
    .execute();
  await trx.schema.createIndex('keyring_keys_by_change').on('keyring_keys').column('change_sequence').execute();
}
