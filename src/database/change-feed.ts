/**
 * The kind of a change: tenants' records, keys of the keyring, bells that rang, or drills that
 * started. Each kind has its own sequence of numbers.
 */
export type ChangeChannel = 'tenants' | 'keyring' | 'bells' | 'drills';

/** A tenant whose record or keyring changed. */
export interface TenantChange {
  /** The registry or keyring that wrote it, so that each recognises its own changes. */
  readonly origin: string;
  readonly sequence: number;
  readonly tenantId: string;
}

export interface ChangeEvents {
  changed(change: TenantChange): void;
  /** A change was written; the listener looks up which. */
  written(): void;
  /**
   * The feed receives changes again, after a start or a gap in which anything may have happened.
   */
  connected(): void;
  /** The feed receives nothing until `connected`. */
  lost(error: Error): void;
}

/** Reports the writes of other processes within a second. It reconnects by itself. */
export interface ChangeFeed {
  close(): Promise<void>;
}
