import { ServiceError } from '../errors.ts';
import type { Tenant } from './tenant.ts';

/** Lists are read page by page, in the order of ids. */
export interface TenantPage {
  readonly tenants: readonly Tenant[];
  /** Give it back to get the next page; absent at the end. */
  readonly nextCursor?: string;
}

/** The customers that are registered. */
export interface TenantRegistry {
  /** @throws ServiceError `tenant-not-found`, `registry-unavailable` */
  get(tenantId: string): Promise<Tenant>;
  /** At most `limit` tenants whose id follows `cursor`. @throws ServiceError `registry-unavailable` */
  list(limit: number, cursor?: string): Promise<TenantPage>;
  /** What is wrong at the moment, such as an edit that could not be taken over; undefined when all is well. For readiness. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

/** One body for a tenant that doesn't exist and for one that the caller may not see. */
export function tenantNotFound(): ServiceError {
  return new ServiceError('tenant-not-found', 'No such tenant', {
    errors: [{ pointer: '/path/tenantId', detail: 'names no tenant' }],
  });
}
