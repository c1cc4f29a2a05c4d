import { listColumns } from '../src/database/list-columns.ts';
import type { SqlDatabase } from '../src/database/open-database.ts';
import { tenantSchema } from '../src/tenants/record-schema.ts';
import { vaultHosts } from '../src/tenants/vault-hosts.ts';

const AT_ONCE = 1_000;

export const hosts = vaultHosts({
  suffixes: ['.vault.azure.net'],
  unsafeAllowEmulator: true,
  homeVaultUrl: 'https://vendor.vault.azure.net',
});
const schema = tenantSchema(hosts);

export const idOf = (at: number): string => `tenant-${String(at).padStart(6, '0')}`;
const recordOf = (at: number): unknown => ({
  id: idOf(at),
  entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
  keys: { data: { vaultUrl: `https://kv${at}.vault.azure.net`, name: 'data', use: 'data' } },
  defaultKey: 'data',
});

/**
 * Registers so many tenants. It writes only the rows that requests and pages read: registering
 * 100,000 one by one takes minutes.
 */
export const registerMany = (database: SqlDatabase, count: number): Promise<void> =>
  register(
    database,
    Array.from({ length: count }, (_, at) => recordOf(at)),
  );

export async function register(database: SqlDatabase, records: readonly unknown[]): Promise<void> {
  const now = Date.now();
  for (let from = 0; from < records.length; from += AT_ONCE) {
    const some = records.slice(from, from + AT_ONCE).map((record) => schema.parse(record));
    await database.write(async (trx) => {
      const { sequence } = await trx
        .updateTable('tenant_changes')
        .set(({ eb }) => ({ sequence: eb('sequence', '+', some.length) }))
        .returning('sequence')
        .executeTakeFirstOrThrow();
      const stamps = { revision: 1, created_at: now, updated_at: now, removed_at: null };
      const rows = some.map((record, at) => ({
        ...stamps,
        id: record.id,
        state: record.state,
        record: JSON.stringify(record),
        change_sequence: sequence - at,
        ...listColumns(record, record.id),
      }));
      await trx.insertInto('tenants').values(rows).execute();
    });
  }
}
