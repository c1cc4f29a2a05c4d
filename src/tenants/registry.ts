import { ServiceError } from '../errors.ts';
import type { Soon } from '../lib/when-ready.ts';
import type { Tenant } from './record.ts';
import type { TenantInput } from './record-schema.ts';

/** Lists are read in pages, ordered by id. */
export interface TenantPage {
  readonly tenants: readonly Tenant[];
  /** The cursor of the next page; absent at the end. */
  readonly nextCursor?: string;
}

export const TENANT_SORTS = ['id', 'name', 'updated', 'checked'] as const;
export const TENANT_FILTERS = ['active', 'suspended', 'failing', 'unchecked'] as const;

/** A place in a sorted list: between the tenant with this key and this id, and the next one. */
export interface TenantPlace {
  /** The value by which the list is sorted: a text, or a time in milliseconds since 1970. */
  readonly key: string | number;
  readonly id: string;
}

/** A search of tenants. */
export interface TenantQuery {
  readonly limit: number;
  /**
   * By id or by name, ascending; `updated`: the last changed first; `checked`: the one whose last
   * check is oldest first.
   */
  readonly sort: (typeof TENANT_SORTS)[number];
  readonly after?: TenantPlace | undefined;
  /** The beginning of an id or of a name in any case, or a directory's id. */
  readonly search?: string | undefined;
  /** `failing` and `unchecked` are active tenants, by their last check. */
  readonly state?: (typeof TENANT_FILTERS)[number] | undefined;
  /** The only tenants to search; absent: all. */
  readonly within?: readonly string[] | undefined;
}

export interface TenantMatches {
  readonly tenants: readonly Tenant[];
  /** The place of the next page; absent at the end. */
  readonly next?: TenantPlace;
}

export type TenantCounts = Readonly<Record<Tenant['state'], number>>;

/**
 * The registered customers. Every method rejects with ServiceError `registry-unavailable` while the
 * store is unreachable.
 */
export interface TenantRegistry {
  /**
   * Returns the tenant, at once if it is in memory: every call on data looks it up twice. Rejects
   * with ServiceError `tenant-not-found`.
   */
  get(tenantId: string): Soon<Tenant>;
  /** Returns at most `limit` tenants whose id follows `cursor`. */
  list(limit: number, cursor?: string): Promise<TenantPage>;
  /** Returns the tenants that match, in pages. */
  search(query: TenantQuery): Promise<TenantMatches>;
  count(): Promise<TenantCounts>;
  /**
   * Creates a tenant (`revision` undefined), or replaces one in exactly this revision. `by` is
   * stored with the previous record.
   * @throws ServiceError `tenant-exists` (also for an id that was ever used), `tenant-not-found`,
   * `revision-mismatch`, `key-taken` and `key-use` for a key that is or was registered otherwise,
   * `registry-read-only`
   */
  put(record: TenantInput, revision: string | undefined, by: string): Promise<Tenant>;
  /**
   * Removes a tenant in exactly this revision; its id is never used again.
   * @throws ServiceError as `put`
   */
  remove(tenantId: string, revision: string, by: string): Promise<void>;
  /**
   * Restores a removed tenant, which is then suspended.
   * @throws ServiceError `tenant-not-found`, `tenant-exists` for one that is not removed
   */
  restore(tenantId: string, by: string): Promise<Tenant>;
  /**
   * Calls the listener for every tenant that this process or another changed or removed, within a
   * second; undefined: any may have changed.
   */
  onChange(listener: (tenantId: string | undefined) => void): void;
  /**
   * Returns the current problem, such as an edit that was not accepted; undefined without one. For
   * readiness.
   */
  trouble(): string | undefined;
  /** Returns the milliseconds since memory was last known to match the store. */
  staleMs(): number;
  close(): Promise<void>;
}

/**
 * Returns the tenant, or undefined if there is none.
 * @throws ServiceError `registry-unavailable`
 */
export async function findTenant(tenants: Pick<TenantRegistry, 'get'>, tenantId: string): Promise<Tenant | undefined> {
  try {
    return await tenants.get(tenantId);
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'tenant-not-found') return undefined;
    throw error;
  }
}

/**
 * Returns the same body for a tenant that does not exist and for one that the caller may not see.
 */
export function tenantNotFound(): ServiceError {
  return new ServiceError('tenant-not-found', 'The tenant does not exist', {
    errors: [{ pointer: '/path/tenantId', detail: 'is not a tenant' }],
  });
}
