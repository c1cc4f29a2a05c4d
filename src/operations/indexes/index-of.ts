import { ServiceError } from '../../errors.ts';
import type { IndexSettings } from '../../keyring/indexes/change-indexes.ts';
import type { TenantIndexes } from '../../keyring/indexes/tenant-indexes.ts';
import type { RegisteredIndex, Tenant } from '../../tenants/record.ts';

const DEFAULT_BITS = 128;

/** The source of index keys for operations. */
export interface IndexKeys {
  indexesOf(tenant: Tenant): TenantIndexes;
}

/** Returns the settings of an index with their defaults. */
export const settingsOf = ({ bits = DEFAULT_BITS, normalize = 'none' }: RegisteredIndex): IndexSettings => ({
  bits,
  normalize,
});

/**
 * Returns the settings of a tenant's index.
 * @throws ServiceError `index-not-found`
 */
export function indexOf({ indexes = {} }: Tenant, name: string): IndexSettings {
  const index = Object.hasOwn(indexes, name) ? indexes[name] : undefined;
  if (!index) throw indexNotFound();
  return settingsOf(index);
}

export const indexNotFound = (): ServiceError =>
  new ServiceError('index-not-found', "The tenant's record has no index of this name", {
    errors: [{ pointer: '/path/name', detail: 'is not an index of the tenant' }],
    fix: { owner: 'vendor', action: "Add the index to `indexes` in the tenant's record" },
  });
