export type DrillState = 'running' | 'finished' | 'cancelled' | 'timed-out' | 'interrupted';

/** `warm` uses the process's own keys in memory; `cold` signs in and asks the vault each time. */
export type DrillMode = 'warm' | 'cold';

/** A drill of a revocation. Times are the database's, in milliseconds since 1970. */
export interface Drill {
  readonly tenantId: string;
  readonly id: string;
  readonly state: DrillState;
  /** The bound that was in force when it started. */
  readonly boundMs: number;
  /** The same for a revocation that only a new sign-in finds, such as a disabled app. */
  readonly signInBoundMs: number;
  readonly startedBy: string;
  readonly startedAt: number;
  /** It ends by itself then. */
  readonly endsAt: number;
  readonly endedAt: number | undefined;
}

/** One or more attempts in a row, of one process and mode, with the same outcome. */
export interface Sighting {
  readonly process: string;
  readonly mode: DrillMode;
  /** Counts from 0 in each process and mode. */
  readonly number: number;
  /** `failed`: an outage, which says nothing about access. */
  readonly outcome: 'allowed' | 'refused' | 'failed';
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  /** Of a refusal: a key's, or that of a sign-in, which is for the whole tenant. */
  readonly scope?: 'key' | 'tenant' | undefined;
  readonly keyId?: string | undefined;
  readonly vaultRequestId?: string | undefined;
  readonly vaultClientRequestId?: string | undefined;
  /** `requestId` of the audit record of the first attempt. */
  readonly auditRequestId: string;
  /**
   * The first and the last of the attempts: when it began if it was allowed, else when its answer
   * came. So no slow attempt looks like a use after a refusal.
   */
  readonly from: number;
  readonly to: number;
}

export interface DrillRecord {
  readonly drill: Drill;
  /** By process, mode and number. */
  readonly sightings: readonly Sighting[];
  /** The database's time of this reading. */
  readonly now: number;
  /** The signed report, once it was made. */
  readonly report: string | undefined;
}

interface NewDrill extends Pick<Drill, 'tenantId' | 'id' | 'boundMs' | 'signInBoundMs' | 'startedBy'> {
  readonly maxMs: number;
}

/** Every method rejects with ServiceError `registry-unavailable` while the database is unreachable. */
export interface DrillStore {
  /**
   * Returns the number of the start among all starts. Returns `running` while the tenant has a
   * drill, and `too-many` while too many tenants have one. The oldest ended drills are deleted.
   */
  start(drill: NewDrill): Promise<number | 'running' | 'too-many'>;
  find(tenantId: string, id: string): Promise<DrillRecord | undefined>;
  /** Returns the kept drills of a tenant, the newest first. */
  list(tenantId: string): Promise<readonly DrillRecord[]>;
  /** Returns the running drill of a tenant, or those of all. */
  running(tenantId: string | undefined): Promise<readonly Drill[]>;
  /**
   * Stores the outcome of an attempt, of this time. Returns whether the drill still runs;
   * otherwise nothing is stored.
   */
  see(drill: Pick<Drill, 'tenantId' | 'id'>, seen: Omit<Sighting, 'from' | 'to'>, at: number): Promise<boolean>;
  /** Ends a running drill. Returns whether it ran. */
  end(drill: Pick<Drill, 'tenantId' | 'id'>, state: DrillState): Promise<boolean>;
  /** Stores the signed report of an ended drill unless it has one. Returns the stored one. */
  keepReport(drill: Pick<Drill, 'tenantId' | 'id'>, report: string): Promise<string>;
}
