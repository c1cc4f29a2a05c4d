import { defined } from '../lib/defined.ts';
import { foldText } from '../lib/text.ts';
import type { Check } from './checks.ts';
import type { Tenant } from './record.ts';
import type { TenantMatches, TenantPlace, TenantQuery } from './registry.ts';

export type LastChecks = (tenantIds: readonly string[]) => Promise<ReadonlyMap<string, Check>>;

/** Returns the page of a search in a list, as a database would. */
export async function searchList(
  list: ReadonlyMap<string, Tenant>,
  lastChecks: LastChecks,
  query: TenantQuery,
): Promise<TenantMatches> {
  const { sort, state, after, limit } = query;
  const needsChecks = sort === 'checked' || state === 'failing' || state === 'unchecked';
  const checks = needsChecks ? await lastChecks([...list.keys()]) : new Map<string, Check>();
  const places = candidates(list, query)
    .filter((tenant) => isIn(tenant, state, checks.get(tenant.id)))
    .map((tenant) => ({ tenant, id: tenant.id, key: keyOf(tenant, sort, checks.get(tenant.id)) }));
  const order = sort === 'updated' ? -1 : 1;
  const following = places
    .filter((place) => !after || compare(place, after) * order > 0)
    .sort((one, other) => compare(one, other) * order);
  const page = following.slice(0, limit);
  const last = following.length > limit ? page.at(-1) : undefined;
  return defined({ tenants: page.map(({ tenant }) => tenant), next: last && { key: last.key, id: last.id } });
}

/** Returns the tenants that match apart from their state. */
function candidates(list: ReadonlyMap<string, Tenant>, { within, search = '' }: TenantQuery): Tenant[] {
  const tenants = within ? [...new Set(within)].flatMap((id) => list.get(id) ?? []) : [...list.values()];
  const folded = foldText(search);
  return tenants.filter(
    ({ id, displayName = id, entraTenantId }) =>
      id.startsWith(folded) || foldText(displayName).startsWith(folded) || entraTenantId === folded,
  );
}

function isIn(tenant: Tenant, state: TenantQuery['state'], check: Check | undefined): boolean {
  if (state === undefined || state === tenant.state) return true;
  if (tenant.state !== 'active') return false;
  if (state === 'failing') return check?.['step'] !== undefined;
  return state === 'unchecked' && check === undefined;
}

function keyOf(tenant: Tenant, sort: TenantQuery['sort'], check: Check | undefined): string | number {
  switch (sort) {
    case 'id':
      return tenant.id;
    case 'name':
      return foldText(tenant.displayName ?? tenant.id);
    case 'updated':
      return Date.parse(tenant.updatedAt);
    case 'checked':
      return check ? Date.parse(check.checkedAt) : 0;
  }
}

const compare = (one: TenantPlace, other: TenantPlace): number =>
  one.key === other.key ? order(one.id, other.id) : order(one.key, other.key);

const order = (one: string | number, other: string | number): number => (one < other ? -1 : Number(one > other));
