/** Why a delivery failed, as the operator and the customer's reader see it. */
export interface SiemTrouble {
  readonly reason: string;
  /** What to do, if waiting does not help. */
  readonly fix?: string | undefined;
}

/** A tenant whose next delivery this process makes. */
export interface SiemClaim {
  readonly tenantId: string;
  /** Number of the next entry of its log, and of the entries in the log. */
  readonly next: number;
  readonly size: number;
  /** Failed deliveries since the last success. */
  readonly failures: number;
}

/** A delivery that succeeded: every entry before `next` is in the SIEM. */
interface SiemProgress {
  readonly next: number;
  /** Time of the last delivered record; absent when the entries had no line any more. */
  readonly until: number | undefined;
  readonly at: number;
}

export interface SiemCursor {
  readonly deliveredUntil: number | undefined;
  readonly deliveredAt: number | undefined;
  readonly waiting: number;
  readonly trouble: SiemTrouble | undefined;
  readonly troubleSince: number | undefined;
}

/**
 * The cursors of all tenants, which all processes share. Times are milliseconds since 1970.
 * Every method rejects with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface SiemTable {
  /**
   * Begins or resumes the deliveries of these tenants, due now. A new cursor begins at the end of
   * the tenant's log; a known one where it ended.
   */
  follow(tenantIds: readonly string[], now: number): Promise<void>;
  unfollow(tenantIds: readonly string[]): Promise<void>;
  /** Leases up to `limit` tenants that have news and are due. */
  claim(owner: string, now: number, leaseMs: number, limit: number): Promise<readonly SiemClaim[]>;
  /** Moves a cursor and extends the lease. Returns false when another process has the lease. */
  advance(tenantId: string, owner: string, progress: SiemProgress, leaseUntil: number): Promise<boolean>;
  /** Ends the lease. A trouble counts as a failure, and none ends the failures. */
  release(tenantId: string, owner: string, dueAt: number, trouble: SiemTrouble | undefined, now: number): Promise<void>;
  /** Returns the lines of entries; undefined for one whose record is past its retention. */
  lines(tenantId: string, from: number, to: number): Promise<readonly (string | undefined)[]>;
  find(tenantId: string): Promise<SiemCursor | undefined>;
  /** Returns the age of the oldest record that waits, and the tenants whose deliveries fail. */
  lag(now: number): Promise<{ readonly seconds: number; readonly failing: number }>;
}
