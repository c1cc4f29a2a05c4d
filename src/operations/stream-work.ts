import type { Jwe } from '../format/jwe.ts';
import type { StreamTransform } from '../format/stream-transform.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { GrantDeps, TenantGrant } from './granted-tenant.ts';
import { dataKeyOf } from './open-message.ts';
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

/** Returns the `recheck` of a stream whose key is sealed in `jwe`. It rejects as a new request would. */
export function recheckOf(deps: Pick<StreamDeps, 'dataKeys'>, grant: TenantGrant, jwe: Jwe): StreamWork['recheck'] {
  const assertProven = async () => void (await dataKeyOf(deps, grant.tenant, jwe));
  return () => grant.recheck()?.then(assertProven);
}
