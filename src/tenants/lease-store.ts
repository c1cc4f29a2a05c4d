/** A lease as it is stored: who holds which leaf, never its key. */
export interface NewLease {
  readonly tenantId: string;
  /** A random UUID. */
  readonly id: string;
  /** Issuer and subject of the holder's token. */
  readonly principal: string;
  /** The `kid` of the leaf's messages. */
  readonly kid: string;
  /** Key version that wraps the leaf's branch. */
  readonly keyId: string;
  readonly maxMessages: number;
  /** How long the lease lasts from now. */
  readonly lastsMs: number;
}

/** Leaves of existing messages that one caller received. */
export interface NewOpenings {
  readonly tenantId: string;
  readonly principal: string;
  readonly leaves: readonly { readonly kid: string; readonly keyId: string; readonly lastsMs: number }[];
}

/** The reason that a lease, or another leaf, was not stored. */
export type LeaseLimit = 'caller' | 'tenant';

/** The largest numbers of leases, or of opened leaves, that have not ended. */
export interface LeaseLimits {
  readonly perCaller: number;
  readonly perTenant: number;
}

/** What a holder reports about one lease: totals since its start, so that a repeat changes nothing. */
export interface LeaseUsage {
  readonly sealed: number;
  /** Messages opened, by the `kid` of their leaf. */
  readonly opened: ReadonlyMap<string, number>;
  /** Plaintext bytes of both. */
  readonly bytes: number;
  readonly isFinal: boolean;
}

/** Names one lease of one caller: no other caller's lease is found. */
export type LeaseName = Pick<NewLease, 'tenantId' | 'id' | 'principal'>;

/** The use of one key version. */
export interface LeaseKeyUse {
  readonly keyId: string;
  readonly sealed: number;
  readonly opened: number;
}

/** An accepted report. */
export interface ReportedLease {
  readonly kid: string;
  readonly keyId: string;
  /** The totals after the report. */
  readonly sealed: number;
  readonly opened: number;
  readonly bytes: number;
  readonly isFinal: boolean;
  /** Whether this report was the first final one. */
  readonly hasEnded: boolean;
  /** The messages that no earlier report had, by key version. */
  readonly added: readonly LeaseKeyUse[];
  /** The messages opened, in total, by key version. */
  readonly openedByKey: readonly Omit<LeaseKeyUse, 'sealed'>[];
}

/** The reason that a report was not accepted. */
export type ReportFault =
  | { readonly fault: 'unknown-lease' | 'finished' | 'too-many-messages' | 'too-many-leaves' }
  | { readonly fault: 'unknown-leaves'; readonly kids: readonly string[] };

/** A lease, or opened leaves, whose holder has not reported in time. */
export interface OverdueLease extends Pick<NewLease, 'tenantId' | 'principal' | 'keyId'> {
  /** Undefined for opened leaves, which are recorded together. */
  readonly lease?: Pick<NewLease, 'id' | 'maxMessages'> & { readonly sealed: number };
  readonly kids: readonly string[];
  /** The end of the claim. */
  readonly claimedUntil: number;
}

/**
 * The accounts of leases, shared by all processes. Times are the database's. Every method rejects
 * with ServiceError `registry-unavailable` while the database is unreachable.
 */
export interface LeaseStore {
  /** Stores a lease; returns the limit that forbids it, undefined if it was stored. */
  add(lease: NewLease, limits: LeaseLimits): Promise<LeaseLimit | undefined>;
  /** Removes a lease whose key was never given out. */
  discard(name: LeaseName): Promise<void>;
  /** Stores opened leaves, the same way. A leaf that the caller opened before gets the later end. */
  addOpenings(openings: NewOpenings, limits: LeaseLimits): Promise<LeaseLimit | undefined>;
  /** Adds a report to its lease. */
  report(name: LeaseName, usage: LeaseUsage): Promise<ReportedLease | ReportFault>;
  /**
   * Claims leases and opened leaves whose report is overdue. A claim ends after `claimMs` unless
   * `settle` was called, so that a process that dies loses none.
   */
  claimOverdue(limit: number, claimMs: number): Promise<readonly OverdueLease[]>;
  /** Notes that an overdue lease was recorded: it is not claimed again. */
  settle(overdue: OverdueLease): Promise<void>;
  /** Deletes the accounts that ended a day ago and were settled. */
  deleteOld(): Promise<void>;
}
