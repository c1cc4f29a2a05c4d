import { randomUUID } from 'node:crypto';
import type { Config } from '../config/resolved.ts';
import { linkTable } from '../database/customers/link-table.ts';
import { migrate } from '../database/migrations/migrations.ts';
import { type DatabaseOptions, openDatabase, type SqlDatabase } from '../database/open-database.ts';
import { openClaims } from '../database/tables/claims.ts';
import { keyUsageTable } from '../database/tables/key-usage-table.ts';
import { keyRegister } from '../database/tables/key-uses.ts';
import { keyringKeys } from '../database/tables/keyring-keys.ts';
import { leaseTable } from '../database/tables/lease-table.ts';
import { bellTable, drillTable } from '../database/tables/revocations.ts';
import { openSqlRegistry } from '../database/tables/sql-registry.ts';
import { tenantHistory } from '../database/tables/tenant-history.ts';
import { quotaTable } from '../database/usage/quota-table.ts';
import type { KeyringStore } from '../keyring/keyring-store.ts';
import { defined } from '../lib/defined.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { BellStore } from '../tenants/bells.ts';
import type { Claims, TenantHistory } from '../tenants/checks.ts';
import type { DrillStore } from '../tenants/drills.ts';
import { type FileRegistryOptions, openFileRegistry } from '../tenants/file-registry.ts';
import type { KeyRegister } from '../tenants/key-register.ts';
import type { KeyUsageStore } from '../tenants/key-usage.ts';
import type { LeaseStore } from '../tenants/lease-store.ts';
import type { LinkStore } from '../tenants/onboarding-links.ts';
import type { QuotaStore } from '../tenants/quotas.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { Home } from './home.ts';
import { databaseMistake, fileMistake, namingSettings } from './setting-mistakes.ts';

/** The store of tenants and of their data. */
export interface Store {
  readonly tenants: TenantRegistry;
  /** Due checks and last checks: in the database, even if the tenants are in a file. */
  readonly claims: Claims;
  readonly lastCheck: Claims['lastCheck'];
  readonly lastChecks: Claims['lastChecks'];
  readonly keyUsage: KeyUsageStore;
  readonly quotas: QuotaStore;
  readonly leases: LeaseStore;
  readonly bells: BellStore;
  readonly drills: DrillStore;
  readonly links: LinkStore;
  readonly keys: KeyRegister;
  readonly keyring: Keyring;
  readonly history: (tenantId: string) => Promise<TenantHistory>;
  close(): Promise<void>;
}

/** Branch and index keys, and the database that reports their changes. */
interface Keyring {
  readonly keys: KeyringStore;
  readonly database: SqlDatabase;
  /** This process's name in notifications. */
  readonly origin: string;
}

type StoreConfig = Pick<Config, 'database' | 'obstacles' | 'registry' | 'rounds' | 'vaultHosts'>;

/**
 * Scope of Entra tokens for Azure Database for PostgreSQL:
 * https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-azure-ad-authentication
 */
const POSTGRES_SCOPE = 'https://ossrdbms-aad.database.windows.net/.default';
const PAGE = 200;

/**
 * Returns the connection options; a token of the platform's identity is the password if the
 * configuration requires it.
 */
export function databaseOptions(
  { database: { sqlite, postgres, password } }: Pick<Config, 'database'>,
  { platform }: Pick<Home, 'platform'>,
): DatabaseOptions {
  if (!postgres) return sqlite;
  const token = async () => (await platform.getToken(POSTGRES_SCOPE))?.token ?? '';
  return defined({ ...postgres, password: password === 'entra' ? token : undefined });
}

/**
 * Opens the store.
 * @throws ServiceError, TenantListError, or Error for a schema that is not this program's
 */
export const openStore = (config: StoreConfig, home: Pick<Home, 'platform'>, logger: Logger): Promise<Store> =>
  namingSettings(() => open(config, home, logger), databaseMistake(config));

async function open(config: StoreConfig, home: Pick<Home, 'platform'>, logger: Logger): Promise<Store> {
  const { file } = config.registry;
  const database = await openMigrated(config, home, logger);
  const claims = openClaims(database);
  const keys = keyRegister(database);
  try {
    const tenants =
      file === undefined
        ? await openTable(config, logger, database)
        : await openList(config, file, { keys, lastChecks: claims.lastChecks }, logger);
    if (file !== undefined) await watchList(tenants, claims, logger);
    return {
      tenants,
      claims,
      lastCheck: claims.lastCheck,
      lastChecks: claims.lastChecks,
      keyUsage: keyUsageTable(database),
      quotas: quotaTable(database),
      leases: leaseTable(database),
      links: linkTable(database),
      keys,
      ...openNotified(database),
      history: (tenantId) => tenantHistory(database, tenantId),
      close: async () => {
        await tenants.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Returns the stores whose changes other processes are notified of. */
function openNotified(database: SqlDatabase): Pick<Store, 'keyring' | 'bells' | 'drills'> {
  const origin = randomUUID();
  const keyring = { keys: keyringKeys({ database, origin }), database, origin };
  return { keyring, bells: bellTable({ database, origin }), drills: drillTable({ database, origin }) };
}

async function openMigrated(config: StoreConfig, home: Pick<Home, 'platform'>, logger: Logger): Promise<SqlDatabase> {
  const options = databaseOptions(config, home);
  if (config.database.migrate === 'at-start') {
    for (const name of await migrate(options)) logger.info({ name }, 'the database was migrated');
  }
  return openDatabase(options);
}

function openList(
  { vaultHosts, obstacles }: StoreConfig,
  file: string,
  sources: Pick<FileRegistryOptions, 'keys' | 'lastChecks'>,
  logger: Logger,
): Promise<TenantRegistry> {
  const options: FileRegistryOptions = {
    file,
    ...sources,
    hosts: vaultHosts,
    obstacles,
    onReload: (count) => logger.info({ count }, 'tenants reloaded'),
    onBrokenEdit: (error) =>
      logger.error({ problems: error.message }, 'tenants not reloaded: the last good list stays in use'),
  };
  return namingSettings(() => openFileRegistry(options), fileMistake('registry.file', file));
}

async function openTable({ vaultHosts }: StoreConfig, logger: Logger, database: SqlDatabase): Promise<TenantRegistry> {
  return openSqlRegistry({
    database,
    hosts: vaultHosts,
    onInvalidRecord: (tenantId, error) =>
      logger.error({ tenantId, error }, 'a stored tenant is invalid in this version'),
    onTrouble: (trouble, error) =>
      logger.error({ trouble, problem: error.message, error }, 'the tenant database is failing'),
    onRecovery: (trouble, lastedMs) =>
      logger.info({ trouble, lastedMs: Math.round(lastedMs) }, 'the tenant database has recovered'),
  });
}

/** Writes the file's list of active tenants to the database, now and after each edit. */
async function watchList(tenants: TenantRegistry, claims: Claims, logger: Logger): Promise<void> {
  const watch = async () => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await tenants.list(PAGE, cursor);
      ids.push(...page.tenants.filter(({ state }) => state === 'active').map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    await claims.watch(ids, Date.now());
  };
  await watch();
  tenants.onChange(
    () => void watch().catch((error: unknown) => logger.warn({ error }, 'the list of due checks was not updated')),
  );
}
