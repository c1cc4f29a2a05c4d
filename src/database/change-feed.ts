/** What changed: tenants' records, or keys of the keyring. Each has its own sequence of numbers. */
export type ChangeChannel = 'tenants' | 'keyring';

/** A tenant whose record or keyring changed. */
export interface TenantChange {
  /** Which registry or keyring wrote it, so that each knows its own. */
  readonly origin: string;
  readonly sequence: number;
  readonly tenantId: string;
}

export interface ChangeEvents {
  changed(change: TenantChange): void;
  /** Something was written: whoever wants to know what looks it up. */
  written(): void;
  /** The feed hears again, after a start or a gap in which anything may have happened. */
  connected(): void;
  /** The feed hears nothing until `connected`. */
  lost(error: Error): void;
}

/** Reports what other processes write, within a second. It reconnects by itself. */
export interface ChangeFeed {
  close(): Promise<void>;
}
