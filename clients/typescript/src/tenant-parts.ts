import type { BatchOptions, Coalescer } from './coalescer.ts';
import type { LocalKeys } from './local/local-keys.ts';
import type { Transport } from './transport.ts';

/** How many calls travel together. */
export interface BatchLimits extends Required<BatchOptions> {
  /** Falls when the service refuses a batch as too large, so that later batches are no larger. */
  maxBytes: number;
}

/** What a tenant's calls need from the client. */
export interface TenantParts {
  readonly transport: Transport;
  readonly timeoutMs: number;
  readonly batch: BatchLimits;
  /** The batches that are being gathered, of all tenants, by tenant, operation and access. */
  readonly lanes: Map<string, Coalescer<never, never>>;
  /** What seals and opens in this process; absent where the service does all. */
  readonly local?: LocalKeys;
  /** @throws VaultspanError `closed` */
  readonly assertOpen: () => void;
  /** @throws VaultspanError `closed` */
  readonly track: <T>(work: () => Promise<T>) => Promise<T>;
}
