/** The result of a tenant's check. All of it is kept; a new `state` is added to the history. */
export interface Check {
  /** Such as `passed`, or the code of the step that failed. */
  readonly state: string;
  /** RFC 3339. */
  readonly checkedAt: string;
  /** Code of the step that failed; absent when all passed. */
  readonly code?: string;
  readonly [member: string]: unknown;
}

export interface FinishedCheck {
  readonly isChanged: boolean;
  /** The previous check; absent for the first. */
  readonly previous?: Check;
}

/** A number of tenants whose last check failed at one step with one state. */
export interface FailureCount {
  readonly step: string;
  readonly state: string;
  readonly count: number;
}

export interface CheckCounts {
  /** The tenants that were checked at least once. */
  readonly checked: number;
  /** The most frequent first. */
  readonly failures: readonly FailureCount[];
}

/**
 * The tenants that are due for a check, shared by all processes. Times are the caller's, in
 * milliseconds since 1970, so a lease must exceed the difference between clocks. Every method
 * rejects with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface Claims {
  /**
   * Claims up to `limit` due tenants for `owner` and returns their ids. A claim ends with `finish`
   * or after `leaseMs`.
   */
  claimDue(now: number, owner: string, leaseMs: number, limit: number): Promise<readonly string[]>;
  /**
   * Stores a check. Returns undefined, and stores nothing, when the claim has passed to another
   * owner or the tenant was removed.
   */
  finish(tenantId: string, owner: string, check: Check, nextDueAt: number): Promise<FinishedCheck | undefined>;
  /**
   * For tenants in a file: limits the checks to these tenants from now on. A database knows its own
   * tenants.
   */
  watch(tenantIds: readonly string[], now: number): Promise<void>;
  /** Makes an active tenant due at once, unless a visit is under way. */
  hasten(tenantId: string, now: number): Promise<void>;
  /** Returns the results of the last checks of active tenants, as numbers. */
  countChecks(): Promise<CheckCounts>;
  /** Returns how many tenants were due before this time and have not been checked yet. */
  countOverdue(dueBefore: number): Promise<number>;
  lastCheck(tenantId: string): Promise<Check | undefined>;
  /** Returns the last checks of many tenants by id, without those that were never checked. */
  lastChecks(tenantIds: readonly string[]): Promise<ReadonlyMap<string, Check>>;
}

/** One stored version of a tenant's record. Times are milliseconds since 1970. */
export interface PastChange {
  readonly revision: number;
  readonly action: string;
  readonly changedBy: string;
  readonly changedAt: number;
  /** JSON. */
  readonly record: string;
}

export interface TenantHistory {
  /** Changes of its record, newest first; empty for a tenant in a file. */
  readonly changes: readonly PastChange[];
  /** Checks at which its state changed, newest first. */
  readonly checks: readonly Check[];
}
