import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import type { Role } from '../callers/principal.ts';
import type { Jwe } from '../format/jwe.ts';
import type { StreamTransform } from '../format/stream-transform.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import type { Clock } from '../lib/clock.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { grantedTenant } from './granted-tenant.ts';
import { dataKeyOf } from './open-message.ts';
import type { AuditDeps } from './record-success.ts';

export interface StreamDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly dataKeys: DataKeys;
  readonly clock: Clock;
}

/** A stream that may begin: all that can be refused ahead was not. */
export interface StreamWork {
  readonly keyId: string;
  readonly transform: StreamTransform;
  /** Bytes of the answer; undefined where the request's were not known. */
  readonly answerBytes: number | undefined;
  /** Records that it starts; to be awaited before the first byte. */
  start(): Promise<void>;
  /** To be asked with each piece: a stream may last longer than the access to its key. Nothing to wait for most of the time. */
  recheck(): Promise<void> | undefined;
  /** Records that it is done; to be awaited before the last byte. */
  finish(): Promise<void>;
}

/** So often is a stream under way treated as a new request: its tenant must be active and its key's access proven. */
const RECHECK_MS = 1_000;

/** `recheck` of a stream whose key is sealed in `jwe`. It fails as a new request would. */
export function recheckOf(
  deps: StreamDeps,
  request: AuthenticatedRequest,
  role: Role,
  tenantId: string,
  jwe: Jwe,
): StreamWork['recheck'] {
  let checkedAt = deps.clock.monotonicMs();
  return () => {
    const now = deps.clock.monotonicMs();
    if (now - checkedAt < RECHECK_MS) return undefined;
    checkedAt = now;
    return assertAllowed(deps, request, role, tenantId, jwe);
  };
}

async function assertAllowed(
  deps: StreamDeps,
  request: AuthenticatedRequest,
  role: Role,
  tenantId: string,
  jwe: Jwe,
): Promise<void> {
  await dataKeyOf(deps, await grantedTenant(deps.tenants, request.principal, role, tenantId), jwe);
}
