import type { OpenedIndexKey } from '../../keyring/indexes/opened-index-keys.ts';
import type { PolicedUse } from '../../keyring/policy/assert-allowed.ts';
import type { Tenant } from '../../tenants/record.ts';
import { eachValue } from './each-value.ts';
import { indexOf } from './index-of.ts';
import { type IndexUseDeps, useOf } from './record-index-use.ts';

export interface LookUp {
  readonly tenant: Tenant;
  /** Of the index. */
  readonly name: string;
  readonly values: readonly Buffer[];
  readonly about: PolicedUse;
  readonly countedAs: 'tokens' | 'deterministic-encrypt';
  /** Returns what a version's key makes of a value. */
  readonly make: (key: OpenedIndexKey, value: Buffer) => string;
}

/** What one version makes of each value, in their order. */
export interface OfVersion {
  readonly version: number;
  readonly made: readonly string[];
}

/**
 * Returns what each version of an index that is searched makes of values, the version that is
 * written among them, and the uses to record.
 * @throws ServiceError
 */
export async function lookUp(deps: IndexUseDeps, { tenant, name, values, about, countedAs, make }: LookUp) {
  indexOf(tenant, name);
  const indexes = deps.indexKeys.indexesOf(tenant);
  const { writing, searched } = await indexes.forLookUp(name);
  const uses = useOf(deps, tenant, searched, about, writing);
  const search: OfVersion[] = [];
  for (const key of searched) {
    search.push({ version: key.version, made: await eachValue(deps, values, (value) => make(key, value)) });
  }
  const write = search[searched.indexOf(writing)];
  if (!write) throw new Error('the writing version is not searched');
  indexes.deps.counts.indexValues[countedAs] += values.length;
  return { write, search, uses };
}
