import type { StreamTransform } from '../format/stream-transform.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { Tenant } from '../tenants/record.ts';
import type { GrantDeps, TenantGrant } from './granted-tenant.ts';
import type { AuditDeps } from './record-success.ts';

export interface StreamDeps extends AuditDeps, GrantDeps {
  readonly dataKeys: DataKeys;
}

/** A stream that may begin: every check that can be made in advance has passed. */
export interface StreamWork {
  readonly keyId: string;
  readonly transform: StreamTransform;
  /** Bytes of the answer; undefined if the request's are unknown. */
  readonly answerBytes: number | undefined;
  /** Records the start; await it before the first byte. */
  start(): Promise<void>;
  /**
   * Must be called with each piece, since a stream may last longer than the access to its key.
   * Usually returns undefined: no need to wait.
   */
  recheck(): Promise<void> | undefined;
  /** Records the end; await it before the last byte. */
  finish(): Promise<void>;
}

/**
 * Returns the `recheck` of a stream; `prove` proves access to its key. It rejects as a new request
 * would.
 */
export function recheckOf(grant: TenantGrant, prove: (tenant: Tenant) => Promise<void>): StreamWork['recheck'] {
  return () => grant.recheck()?.then(() => prove(grant.tenant));
}
