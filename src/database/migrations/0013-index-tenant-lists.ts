import { sql, type Transaction } from 'kysely';
import type { SqlDialect } from '../dialect.ts';
import { checkColumns, listColumns } from '../list-columns.ts';
import type { Schema } from '../schema.ts';

const CHUNK = 500;

/**
 * Adds columns by which lists of tenants are searched, sorted and counted, with their indexes, and
 * fills them from the stored records and checks.
 */
export async function indexTenantLists(trx: Transaction<Schema>, dialect: SqlDialect): Promise<void> {
  const { idType } = dialect;
  const tenants = trx.schema.alterTable('tenants');
  await tenants.addColumn('name_key', idType, (column) => column.notNull().defaultTo('')).execute();
  await tenants.addColumn('directory_id', idType, (column) => column.notNull().defaultTo('')).execute();
  const checks = trx.schema.alterTable('tenant_checks');
  await checks.addColumn('outcome', idType).execute();
  await checks.addColumn('step', idType).execute();
  await checks.addColumn('checked_at', 'bigint', (column) => column.notNull().defaultTo(0)).execute();
  await fillTenants(trx, dialect);
  await fillChecks(trx, dialect);
  await createIndexes(trx);
}

async function createIndexes(trx: Transaction<Schema>): Promise<void> {
  const listed = (name: string, columns: readonly ('name_key' | 'updated_at' | 'state' | 'directory_id' | 'id')[]) =>
    trx.schema
      .createIndex(name)
      .on('tenants')
      .columns([...columns])
      .where(sql.ref('removed_at'), 'is', null)
      .execute();
  await listed('tenants_by_name', ['name_key', 'id']);
  await listed('tenants_by_update', ['updated_at', 'id']);
  await listed('tenants_by_state', ['state', 'id']);
  await listed('tenants_by_directory', ['directory_id', 'id']);
  await trx.schema
    .createIndex('tenant_checks_by_time')
    .on('tenant_checks')
    .columns(['checked_at', 'tenant_id'])
    .execute();
  await trx.schema
    .createIndex('tenant_checks_failed')
    .on('tenant_checks')
    .columns(['step', 'outcome', 'tenant_id'])
    .where(sql.ref('step'), 'is not', null)
    .execute();
}

async function fillTenants(trx: Transaction<Schema>, { rows }: SqlDialect): Promise<void> {
  let after = '';
  for (;;) {
    const stored = await trx
      .selectFrom('tenants')
      .select(['id', 'record'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(CHUNK)
      .execute();
    const last = stored.at(-1);
    if (!last) return;
    after = last.id;
    const filled = stored.map(({ id, record }) => ({ id, ...listColumns(parse(record), id) }));
    const source = rows({ id: 'text', name_key: 'text', directory_id: 'text' }, filled);
    await sql`update tenants set name_key = rows.name_key, directory_id = rows.directory_id from ${source} where tenants.id = rows.id`.execute(
      trx,
    );
  }
}

async function fillChecks(trx: Transaction<Schema>, { rows }: SqlDialect): Promise<void> {
  let after = '';
  for (;;) {
    const stored = await trx
      .selectFrom('tenant_checks')
      .select(['tenant_id', 'last_check'])
      .where('tenant_id', '>', after)
      .where('last_check', 'is not', null)
      .orderBy('tenant_id')
      .limit(CHUNK)
      .execute();
    const last = stored.at(-1);
    if (!last) return;
    after = last.tenant_id;
    const filled = stored.map(({ tenant_id, last_check }) => ({ tenant_id, ...checkColumns(parse(last_check ?? '')) }));
    const source = rows({ tenant_id: 'text', outcome: 'text', step: 'text', checked_at: 'bigint' }, filled);
    await sql`update tenant_checks set outcome = rows.outcome, step = rows.step, checked_at = rows.checked_at from ${source} where tenant_checks.tenant_id = rows.tenant_id`.execute(
      trx,
    );
  }
}

/** Returns the object in a text that only this program writes; an unreadable one has no members. */
function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
