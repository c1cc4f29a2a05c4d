import { type ExpressionBuilder, type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import { foldText } from '../../lib/text.ts';
import type { TenantQuery } from '../../tenants/registry.ts';
import type { SqlDialect } from '../dialect.ts';
import type { Schema } from '../schema.ts';
import type { TenantRow } from '../tables/tenant-rows.ts';

/** A row, and the value by which the list is sorted. */
export type FoundRow = TenantRow & { readonly key: string | number };

/** Greater than every text that begins with the prefix: no character is greater. */
const afterPrefix = (prefix: string): string => `${prefix}\u{10FFFF}`;

const SORTS = {
  id: { column: 'tenants.id', direction: 'asc' },
  name: { column: 'tenants.name_key', direction: 'asc' },
  updated: { column: 'tenants.updated_at', direction: 'desc' },
  checked: { column: 'tenant_checks.checked_at', direction: 'asc' },
} as const satisfies Record<TenantQuery['sort'], object>;

type Tables = 'tenants' | 'tenant_checks';
type Listing = SelectQueryBuilder<Schema, Tables, object>;

/** Returns the query. Each sort and each filter has an index, so a page of few rows reads few. */
export function searchQuery(db: Kysely<Schema>, dialect: SqlDialect, query: TenantQuery) {
  const { sort, after, limit } = query;
  const { column, direction } = SORTS[sort];
  const isAscending = direction === 'asc';
  let listing = filtered(joined(db, sort), dialect, query);
  if (after) {
    const { key, id } = after;
    const place = isAscending ? sql<boolean>`>` : sql<boolean>`<`;
    listing = listing.where(sql<boolean>`(${sql.ref(column)}, tenants.id) ${place} (${key}, ${id})`);
  }
  return listing
    .select([
      'tenants.id',
      'tenants.record',
      'tenants.revision',
      'tenants.created_at',
      'tenants.updated_at',
      sql<string | number>`${sql.ref(column)}`.as('key'),
    ])
    .orderBy(column, direction)
    .orderBy('tenants.id', direction)
    .limit(limit);
}

/** Returns the registered tenants, with their checks if the sort needs them. */
function joined(db: Kysely<Schema>, sort: TenantQuery['sort']): Listing {
  const registered = db.selectFrom('tenants').where('removed_at', 'is', null);
  const listing =
    sort === 'checked' ? registered.innerJoin('tenant_checks', 'tenant_checks.tenant_id', 'tenants.id') : registered;
  return listing as Listing; // only the one sort names a column of the second table
}

function filtered(listing: Listing, dialect: SqlDialect, { search, state, within }: TenantQuery): Listing {
  let found = listing;
  if (within) {
    const ids = dialect.rows(
      { id: 'text' },
      within.map((id) => ({ id })),
    );
    found = found.where(sql<boolean>`tenants.id in (select rows.id from ${ids})`);
  }
  if (search !== undefined && search !== '') found = found.where((eb) => beginsWith(eb, search));
  if (state === 'active' || state === 'suspended') return found.where('tenants.state', '=', state);
  return state === undefined ? found : found.where('tenants.id', 'in', (eb) => checkedAs(eb, state));
}

function beginsWith(eb: ExpressionBuilder<Schema, Tables>, search: string) {
  const folded = foldText(search);
  return eb.or([
    eb.and([eb('tenants.id', '>=', folded), eb('tenants.id', '<', afterPrefix(folded))]),
    eb.and([eb('tenants.name_key', '>=', folded), eb('tenants.name_key', '<', afterPrefix(folded))]),
    eb('tenants.directory_id', '=', folded),
  ]);
}

function checkedAs(eb: ExpressionBuilder<Schema, Tables>, state: 'failing' | 'unchecked') {
  const active = eb.selectFrom('tenant_checks as last').select('last.tenant_id').where('last.is_watched', '=', 1);
  return state === 'failing' ? active.where('last.step', 'is not', null) : active.where('last.checked_at', '=', 0);
}
