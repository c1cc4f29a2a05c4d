import type { Config } from '../config/resolved.ts';
import { migrate } from '../database/migrations/migrations.ts';
import { type DatabaseOptions, openDatabase, type SqlDatabase } from '../database/open-database.ts';
import { openClaims } from '../database/tables/claims.ts';
import { keyUsageTable } from '../database/tables/key-usage-table.ts';
import { openSqlRegistry } from '../database/tables/sql-registry.ts';
import { tenantHistory } from '../database/tables/tenant-history.ts';
import { defined } from '../lib/defined.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Check, Claims, TenantHistory } from '../tenants/checks.ts';
import { openFileRegistry } from '../tenants/file-registry.ts';
import type { KeyUsageStore } from '../tenants/key-usage.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { Home } from './home.ts';

/** Where tenants and what is known of them are kept. */
export interface Store {
  readonly tenants: TenantRegistry;
  /** Due visits and last checks: always in the database, wherever the tenants are. Absent where nothing needs them. */
  readonly claims: Claims | undefined;
  readonly lastCheck: (tenantId: string) => Promise<Check | undefined>;
  readonly lastChecks: (tenantIds: readonly string[]) => Promise<ReadonlyMap<string, Check>>;
  readonly keyUsage: KeyUsageStore | undefined;
  readonly history: ((tenantId: string) => Promise<TenantHistory>) | undefined;
  close(): Promise<void>;
}

type StoreConfig = Pick<Config, 'database' | 'registry' | 'rounds' | 'vaultHosts'>;

/** Scope of Entra tokens for Azure Database for PostgreSQL: https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-azure-ad-authentication */
const POSTGRES_SCOPE = 'https://ossrdbms-aad.database.windows.net/.default';
const PAGE = 200;

/** Returns how to connect; a token of the platform's identity is the password where the configuration wants it. */
export function databaseOptions(
  { database: { sqlite, postgres, password } }: Pick<Config, 'database'>,
  { platform }: Pick<Home, 'platform'>,
): DatabaseOptions {
  if (!postgres) return sqlite;
  const token = async () => (await platform.getToken(POSTGRES_SCOPE))?.token ?? '';
  return defined({ ...postgres, password: password === 'entra' ? token : undefined });
}

/** @throws ServiceError, TenantListError, or Error for a schema that is not this program's */
export async function openStore(config: StoreConfig, home: Pick<Home, 'platform'>, logger: Logger): Promise<Store> {
  const { file } = config.registry;
  const database = file === undefined || config.rounds.enabled ? await openMigrated(config, home, logger) : undefined;
  const claims = database && openClaims(database);
  try {
    const tenants =
      file === undefined ? await openTable(config, logger, database) : await openList(config, file, logger);
    if (file !== undefined && claims) await watchList(tenants, claims, logger);
    return {
      tenants,
      claims,
      lastCheck: async (tenantId) => claims?.lastCheck(tenantId),
      lastChecks: async (tenantIds) => (await claims?.lastChecks(tenantIds)) ?? new Map(),
      keyUsage: database && keyUsageTable(database),
      history: database && ((tenantId) => tenantHistory(database, tenantId)),
      close: async () => {
        await tenants.close();
        await database?.close();
      },
    };
  } catch (error) {
    await database?.close();
    throw error;
  }
}

async function openMigrated(config: StoreConfig, home: Pick<Home, 'platform'>, logger: Logger): Promise<SqlDatabase> {
  const options = databaseOptions(config, home);
  if (config.database.migrate === 'at-start') {
    for (const name of await migrate(options)) logger.info({ name }, 'the database was migrated');
  }
  return openDatabase(options);
}

async function openList({ vaultHosts }: StoreConfig, file: string, logger: Logger): Promise<TenantRegistry> {
  return openFileRegistry({
    file,
    hosts: vaultHosts,
    onReload: (count) => logger.info({ count }, 'tenants reread'),
    onBrokenEdit: (error) =>
      logger.error({ problems: error.message }, 'tenants not reread: the last good list goes on'),
  });
}

async function openTable(
  { vaultHosts }: StoreConfig,
  logger: Logger,
  database: SqlDatabase | undefined,
): Promise<TenantRegistry> {
  if (!database) throw new Error('no database');
  return openSqlRegistry({
    database,
    hosts: vaultHosts,
    onInvalidRecord: (tenantId, error) =>
      logger.error({ tenantId, error }, 'a stored tenant breaks the rules of this version'),
    onTrouble: (trouble, error) => logger.error({ trouble, error }, 'trouble with the database of tenants'),
    onRecovery: (trouble) => logger.info({ trouble }, 'the database of tenants is well again'),
  });
}

/** The database learns which tenants a file has, now and after each edit. */
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
    () => void watch().catch((error: unknown) => logger.warn({ error }, 'the list of visits was not updated')),
  );
}
