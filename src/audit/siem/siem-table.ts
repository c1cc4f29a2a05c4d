/** Why a delivery failed, as the operator and the customer's reader see it. */
export interface SiemTrouble {
  readonly reason: string;
  /** What to do, if waiting does not help. */
  readonly fix?: string | undefined;
}

/** A source of records whose next delivery this process makes: a tenant's log, or a chain. */
export interface SiemClaim {
  /** Id of the tenant or the chain. */
  readonly source: string;
  /** Number of its next record, and the number after its last one. */
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
 * The cursors of all sources, which all processes share. Times are milliseconds since 1970.
 * Every method rejects with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface DeliveryTable {
  /** Leases up to `limit` sources that have news and are due. */
  claim(owner: string, now: number, leaseMs: number, limit: number): Promise<readonly SiemClaim[]>;
  /** Moves a cursor and extends the lease. Returns false when another process has the lease. */
  advance(source: string, owner: string, progress: SiemProgress, leaseUntil: number): Promise<boolean>;
  /** Ends the lease. A trouble counts as a failure, and none ends the failures. */
  release(source: string, owner: string, dueAt: number, trouble: SiemTrouble | undefined, now: number): Promise<void>;
  /** Returns the lines of records; undefined for one that is past its retention. */
  lines(source: string, from: number, to: number): Promise<readonly (string | undefined)[]>;
}

/** The cursors of tenants' logs. */
export interface SiemTable extends DeliveryTable {
  /**
   * Begins or resumes the deliveries of these tenants, due now. A new cursor begins at the end of
   * the tenant's log; a known one where it ended.
   */
  follow(tenantIds: readonly string[], now: number): Promise<void>;
  unfollow(tenantIds: readonly string[]): Promise<void>;
  find(tenantId: string): Promise<SiemCursor | undefined>;
  /** Returns the age of the oldest record that waits, and the tenants whose deliveries fail. */
  lag(now: number): Promise<{ readonly seconds: number; readonly failing: number }>;
}
