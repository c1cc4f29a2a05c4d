import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Client } from 'pg';
import { MIGRATIONS, type Migration, migrate } from '../../src/database/migrations/migrations.ts';
import { type DatabaseOptions, openDatabase, type SqlDatabase } from '../../src/database/open-database.ts';
import { openSqlRegistry, type SqlRegistryOptions } from '../../src/database/tables/sql-registry.ts';
import { type TenantInput, tenantSchema } from '../../src/tenants/record-schema.ts';
import type { TenantRegistry } from '../../src/tenants/registry.ts';
import { vaultHosts } from '../../src/tenants/vault-hosts.ts';
import { record } from './make-tenant.ts';

export const hosts = vaultHosts({
  suffixes: ['.vault.azure.net', '.managedhsm.azure.net'],
  unsafeAllowEmulator: false,
  homeVaultUrl: 'https://vendor.vault.azure.net',
});

/**
 * A database of the test's own, which is deleted with it, after everything that was opened on it.
 */
export interface TestDatabase extends AsyncDisposable {
  readonly options: DatabaseOptions;
  open(change?: Partial<DatabaseOptions>): Promise<SqlDatabase>;
  /** Opens a registry on a connection of its own, as in another process. */
  openRegistry(options?: Partial<SqlRegistryOptions> & { connect?: Partial<DatabaseOptions> }): Promise<TenantRegistry>;
}

/** `steps`: the migrations to take. */
type NewDatabase = (steps?: readonly Migration[]) => Promise<TestDatabase>;

/** For `describe.each`. */
export const DATABASES: readonly (readonly [name: string, create: NewDatabase])[] = [
  ['SQLite', newSqlite],
  ['PostgreSQL', newPostgres],
];

export async function newSqlite(steps = MIGRATIONS): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'sql-'));
  const options = { file: join(folder, 'tenants.sqlite') };
  await migrate(options, steps);
  return testDatabase(options, () => rm(folder, { recursive: true, force: true }));
}

export async function newPostgres(steps = MIGRATIONS): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(`create database ${name}`);
  const options = { url: urlOf(name) };
  await migrate(options, steps);
  return testDatabase(options, () => administer(`drop database ${name} with (force)`));
}

/** Runs one statement on the server's own database. */
export async function administer(statement: string, values: readonly unknown[] = []): Promise<void> {
  const client = new Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    await client.query(statement, [...values]);
  } finally {
    await client.end();
  }
}

function serverUrl(): string {
  const url = process.env['TEST_DATABASE_URL'];
  if (!url) throw new Error('There is no PostgreSQL to test on: run this through scripts/postgres.sh');
  return url;
}

const urlOf = (database: string): string => serverUrl().replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${database}`);

function testDatabase(options: DatabaseOptions, discard: () => Promise<void>): TestDatabase {
  const opened: { close(): Promise<void> }[] = [];
  const kept = <T extends { close(): Promise<void> }>(resource: T): T => {
    opened.unshift(resource);
    return resource;
  };
  const open = async (change: Partial<DatabaseOptions> = {}) =>
    kept(await openDatabase({ ...options, ...change } as DatabaseOptions));
  return {
    options,
    open,
    openRegistry: async ({ connect, ...change } = {}) =>
      kept(
        await openSqlRegistry({
          database: await open(connect),
          hosts,
          onInvalidRecord: () => undefined,
          onTrouble: () => undefined,
          onRecovery: () => undefined,
          ...change,
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      for (const resource of opened) await resource.close();
      await discard();
    },
  };
}

const schema = tenantSchema(hosts);

/** Returns a record as the API passes it to a registry. */
export const input = (change: Parameters<typeof record>[0] = {}): TenantInput => schema.parse(record(change));

/**
 * Makes these the only stored tenants: the others are removed, and those with a changed name
 * replaced.
 */
export async function replaceAll(registry: TenantRegistry, wanted: readonly object[]): Promise<void> {
  const records = wanted.map((change) => input({ ...change }));
  const { tenants } = await registry.list(200);
  for (const { id, revision } of tenants) {
    if (!records.some((other) => other.id === id)) await registry.remove(id, revision, 'test');
  }
  for (const wish of records) {
    const before = tenants.find(({ id }) => id === wish.id);
    if (!before || before.displayName !== wish.displayName) await registry.put(wish, before?.revision, 'test');
  }
}
