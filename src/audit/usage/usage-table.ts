import type { Usage } from '../usage.ts';

/** One row of an answer: of one tenant, or of one day or hour of a tenant. */
export interface MeteredUsage extends Usage {
  /** Calls to the customer's vaults: reads, wraps and unwraps, those of checks included. */
  readonly vaultCalls: number;
}

/** The hours of which an answer is the sum; both are milliseconds since 1970. */
export interface UsageRange {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

interface TenantUsage extends MeteredUsage {
  readonly tenantId: string;
}

interface PeriodUsage extends MeteredUsage {
  /** Start of the day or hour in UTC, milliseconds since 1970. */
  readonly start: number;
}

/** Calls to a tenant's vaults within one hour. */
export interface VaultCalls {
  readonly tenantId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly calls: number;
}

/**
 * The sums of all processes, by tenant and hour, and by day once they are old. Every method rejects
 * with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface UsageTable {
  addVaultCalls(calls: readonly VaultCalls[]): Promise<void>;
  /** Returns the sums of tenants that have any, ordered by id, after this id. */
  byTenant(range: UsageRange, after: string, limit: number): Promise<readonly TenantUsage[]>;
  /** Returns the sums of these tenants, ordered by id. */
  ofTenants(range: UsageRange, tenantIds: readonly string[]): Promise<readonly TenantUsage[]>;
  /** Returns the sums of one tenant by day or hour, without those that have none. */
  byPeriod(range: UsageRange, tenantId: string, periodMs: number): Promise<readonly PeriodUsage[]>;
  /**
   * Adds up to a number of rows of hours before `hoursFrom` to their days, and removes days before
   * `daysFrom`. Returns whether more may remain.
   */
  compact(hoursFrom: number, daysFrom: number): Promise<boolean>;
}

export const HOUR_MS = 3_600_000;
