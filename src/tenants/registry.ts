import { ServiceError } from '../errors.ts';
import type { Tenant } from './record.ts';
import type { TenantInput } from './record-schema.ts';

/** Lists are read page by page, in the order of ids. */
export interface TenantPage {
  readonly tenants: readonly Tenant[];
  /** Give it back to get the next page; absent at the end. */
  readonly nextCursor?: string;
}

/** The customers that are registered. Every method rejects with ServiceError `registry-unavailable` when the store is out of reach. */
export interface TenantRegistry {
  /** @throws ServiceError `tenant-not-found` */
  get(tenantId: string): Promise<Tenant>;
  /** At most `limit` tenants whose id follows `cursor`. */
  list(limit: number, cursor?: string): Promise<TenantPage>;
  /**
   * Creates a tenant (`revision` undefined), or replaces one in exactly this revision. `by` is kept with the previous record.
   *
   * @throws ServiceError `tenant-exists` (also for an id that was ever given out), `tenant-not-found`, `revision-mismatch`,
   * `key-taken` and `key-use` for a key that is or was registered otherwise, `registry-read-only`
   */
  put(record: TenantInput, revision: string | undefined, by: string): Promise<Tenant>;
  /** Removes a tenant in exactly this revision; its id is never given out again. @throws ServiceError as `put` */
  remove(tenantId: string, revision: string, by: string): Promise<void>;
  /** Takes a removal back; the tenant is then suspended. @throws ServiceError `tenant-not-found`, `tenant-exists` for one that is not removed */
  restore(tenantId: string, by: string): Promise<Tenant>;
  /** Tells of every tenant changed or removed, by this process or another, at the latest a second after; undefined: any may have changed. */
  onChange(listener: (tenantId: string | undefined) => void): void;
  /** What is wrong at the moment, such as an edit that could not be taken over; undefined when all is well. For readiness. */
  trouble(): string | undefined;
  /** Milliseconds since what is in memory was last known to be what the store has. */
  staleMs(): number;
  close(): Promise<void>;
}

/** A tenant, or undefined where there is none. @throws ServiceError `registry-unavailable` */
export async function findTenant(tenants: Pick<TenantRegistry, 'get'>, tenantId: string): Promise<Tenant | undefined> {
  try {
    return await tenants.get(tenantId);
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'tenant-not-found') return undefined;
    throw error;
  }
}

/** One body for a tenant that doesn't exist and for one that the caller may not see. */
export function tenantNotFound(): ServiceError {
  return new ServiceError('tenant-not-found', 'No such tenant', {
    errors: [{ pointer: '/path/tenantId', detail: 'names no tenant' }],
  });
}
