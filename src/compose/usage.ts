import { type RankUsage, usageRanking } from '../audit/usage/ranked-usage.ts';
import type { UsageTable } from '../audit/usage/usage-table.ts';
import { startUsageUpkeep } from '../audit/usage/usage-upkeep.ts';
import { VaultCallCounts } from '../audit/usage/vault-call-counts.ts';
import type { Config } from '../config/resolved.ts';
import type { SqlDatabase } from '../database/open-database.ts';
import { usageSums } from '../database/usage/usage-sums.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import { TenantQuotas } from '../tenants/quotas.ts';
import type { Store } from './store.ts';

/** The sums of what tenants use. */
export interface Usage extends Pick<UsageTable, 'byTenant' | 'ofTenants' | 'byPeriod'> {
  readonly ranked: RankUsage;
  countVaultCall(tenantId: string): void;
  /** Adds this process's vault calls to the sums. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Returns the sums for a command, which makes no vault calls that count. */
export function usageReader(database: SqlDatabase): Omit<Usage, 'countVaultCall' | 'close'> {
  const table = usageSums(database);
  return { ...table, ranked: usageRanking(table), flush: async () => undefined };
}

/**
 * Starts the counts of vault calls and the upkeep of the sums, to which the shipper adds the audit
 * records; undefined if records stay in files.
 * @param database that of the audit records
 */
export function startUsage(database: SqlDatabase | undefined, logger: Logger, clock: Clock): Usage | undefined {
  if (!database) return undefined;
  const table = usageSums(database);
  const now = () => clock.wallMs();
  const counts = new VaultCallCounts({
    table,
    now,
    onFailure: (error) => logger.warn({ error }, "vault calls were not added to tenants' usage; they are kept"),
  });
  const upkeep = startUsageUpkeep({
    table,
    now,
    onFailure: (error) => logger.warn({ error }, "old hours of tenants' usage were not added up to days"),
  });
  return {
    ...table,
    ranked: usageRanking(table),
    countVaultCall: (tenantId) => counts.count(tenantId),
    flush: () => counts.flush(),
    close: async () => {
      await upkeep.close();
      await counts.close();
    },
  };
}

/** Starts the counts of tenants' quotas. */
export const openQuotas = (
  { quota }: Pick<Config, 'quota'>,
  { quotas: store }: Pick<Store, 'quotas'>,
  logger: Logger,
  clock: Clock,
): TenantQuotas =>
  new TenantQuotas({
    store,
    quota,
    clock,
    onTrouble: (error) => logger.warn({ error }, "tenants' quotas are counted by each process alone"),
    onRecovery: () => logger.info("tenants' quotas are counted by all processes together again"),
  });
