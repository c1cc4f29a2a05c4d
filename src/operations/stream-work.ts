import type { StreamTransform } from '../format/stream-transform.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { Tenant } from '../tenants/record.ts';
import type { GrantDeps, TenantGrant } from './granted-tenant.ts';
import type { AuditDeps } from './record-success.ts';

export interface StreamDeps extends AuditDeps, GrantDeps {
  readonly dataKeys: DataKeys;
}

/** A stream that may begin: all that can be refused ahead was not. */
export interface StreamWork {
  readonly keyId: string;
  readonly transform: StreamTransform;
  /** Bytes of the answer; undefined where the request's were not known. */
  readonly answerBytes: number | undefined;
  /** Records that it starts; to be awaited before the first byte. */
  start(): Promise<void>;
  /** To be called with each piece, since a stream may outlast the access to its key. Mostly undefined: nothing to wait for. */
  recheck(): Promise<void> | undefined;
  /** Records that it is done; to be awaited before the last byte. */
  finish(): Promise<void>;
}

/** Returns the `recheck` of a stream; `prove` asks for access to its key. It rejects as a new request would. */
export function recheckOf(grant: TenantGrant, prove: (tenant: Tenant) => Promise<void>): StreamWork['recheck'] {
  return () => grant.recheck()?.then(() => prove(grant.tenant));
}
