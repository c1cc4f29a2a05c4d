import { describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { searchQuery } from '../../src/database/lists/tenant-search.ts';
import { MIGRATIONS, migrate } from '../../src/database/migrations/migrations.ts';
import { openClaims } from '../../src/database/tables/claims.ts';
import type { Check } from '../../src/tenants/checks.ts';
import type { TenantPlace, TenantQuery, TenantRegistry } from '../../src/tenants/registry.ts';
import { DATABASES, input, type TestDatabase } from '../support/sql-databases.ts';
import { TestClock } from '../support/test-clock.ts';

const DIRECTORY = '11111111-2222-4333-8444-555555555555';
const LEASE_MS = 60_000;
const check = (state: string, clock: TestClock, step?: string): Check => ({
  state,
  checkedAt: new Date(clock.wallMs()).toISOString(),
  ...(step !== undefined && { step, code: 'access-revoked' }),
});

/** Returns all ids of a search, read in pages of this size. */
async function idsOf(registry: TenantRegistry, query: Partial<TenantQuery>, limit = 2): Promise<string[]> {
  const ids: string[] = [];
  let after: TenantPlace | undefined;
  do {
    const page = await registry.search({ sort: 'id', ...query, limit, after });
    ids.push(...page.tenants.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  return ids;
}

/** Registers five tenants, one second after the other; e was checked before c, and c failed. */
async function fill(database: TestDatabase): Promise<{ registry: TenantRegistry; clock: TestClock }> {
  const clock = new TestClock();
  const registry = await database.openRegistry({ clock });
  const put = async (change: Parameters<typeof input>[0]) => {
    clock.advance(1);
    await registry.put(input(change), undefined, 'ann');
  };
  await put({ id: 'e', displayName: 'Ångström' });
  await put({ id: 'b', displayName: 'Contoso' });
  await put({ id: 'c', displayName: 'contoso Ltd' });
  await put({ id: 'd', displayName: 'Adatum', entraTenantId: DIRECTORY });
  await put({ id: 'contoso-2', state: 'suspended' });
  const claims = openClaims(await database.open());
  const visit = async (state: string, step?: string) => {
    clock.advance(1);
    const [id = ''] = await claims.claimDue(clock.wallMs(), 'one', LEASE_MS, 1);
    await claims.finish(id, 'one', check(state, clock, step), clock.wallMs() + LEASE_MS);
  };
  await visit('passed'); // e, which waited longest
  await visit('passed'); // b
  await visit('role-missing', 'key data'); // c
  return { registry, clock };
}

describe.each(DATABASES)('lists of tenants in %s', (_kind, create) => {
  test('are sorted by id, name, last change and last check, page by page', async () => {
    await using database = await create();
    const { registry } = await fill(database);
    expect(await idsOf(registry, { sort: 'id' })).toEqual(['b', 'c', 'contoso-2', 'd', 'e']);
    expect(await idsOf(registry, { sort: 'name' })).toEqual(['d', 'b', 'c', 'contoso-2', 'e']);
    expect(await idsOf(registry, { sort: 'updated' })).toEqual(['contoso-2', 'd', 'c', 'b', 'e']);
    expect(await idsOf(registry, { sort: 'checked' })).toEqual(['contoso-2', 'd', 'e', 'b', 'c']);
  });

  test('contain what begins with the search, in the id or in the name, or has the directory', async () => {
    await using database = await create();
    const { registry } = await fill(database);
    expect(await idsOf(registry, { search: 'CONTOSO' })).toEqual(['b', 'c', 'contoso-2']);
    expect(await idsOf(registry, { search: 'contoso', sort: 'name' })).toEqual(['b', 'c', 'contoso-2']);
    expect(await idsOf(registry, { search: 'ÅNG' })).toEqual(['e']);
    expect(await idsOf(registry, { search: DIRECTORY.toUpperCase() })).toEqual(['d']);
    expect(await idsOf(registry, { search: '' })).toHaveLength(5);
    for (const search of ['ontoso', '%', '_', "' or 1=1 --", '\u{10FFFF}']) {
      expect(await idsOf(registry, { search })).toEqual([]);
    }
  });

  test('contain the tenants of one state, and only those that the caller may see', async () => {
    await using database = await create();
    const { registry } = await fill(database);
    expect(await idsOf(registry, { state: 'active' })).toEqual(['b', 'c', 'd', 'e']);
    expect(await idsOf(registry, { state: 'suspended' })).toEqual(['contoso-2']);
    expect(await idsOf(registry, { state: 'failing', sort: 'checked' })).toEqual(['c']);
    expect(await idsOf(registry, { state: 'unchecked', sort: 'name' })).toEqual(['d']);
    expect(await idsOf(registry, { within: ['e', 'd', 'nobody'] })).toEqual(['d', 'e']);
    expect(await idsOf(registry, { within: [] })).toEqual([]);
    expect(await idsOf(registry, { within: ['c', 'contoso-2'], search: 'contoso', state: 'failing' })).toEqual(['c']);
  });

  test('are counted by state and by the step that failed, without removed and suspended tenants', async () => {
    await using database = await create();
    const { registry } = await fill(database);
    const claims = openClaims(await database.open());
    expect(await registry.count()).toEqual({ active: 4, suspended: 1 });
    const failures = [{ step: 'key data', state: 'role-missing', count: 1 }];
    expect(await claims.countChecks()).toEqual({ checked: 3, failures });
    const { revision } = await registry.put(input({ id: 'c', state: 'suspended' }), '1', 'ann');
    expect(await claims.countChecks()).toEqual({ checked: 2, failures: [] });
    expect(await idsOf(registry, { state: 'failing' })).toEqual([]);
    await registry.remove('c', revision, 'ann');
    expect(await registry.count()).toEqual({ active: 3, suspended: 1 });
    expect(await idsOf(registry, {})).toEqual(['b', 'contoso-2', 'd', 'e']);
  });

  test('make a tenant due whose check had another result, unless it is being visited or suspended', async () => {
    await using database = await create();
    const { clock } = await fill(database);
    const claims = openClaims(await database.open());
    const due = () => claims.claimDue(clock.wallMs(), 'two', LEASE_MS, 10);
    expect(await due()).toEqual(['d']);
    for (const id of ['b', 'd', 'contoso-2', 'nobody']) await claims.hasten(id, clock.wallMs());
    expect(await due()).toEqual(['b']);
  });

  test('know the tenants and the checks from before there were such lists', async () => {
    await using database = await create(MIGRATIONS.slice(0, 12));
    const old = await database.open();
    const lastCheck = JSON.stringify({ state: 'app-absent', step: 'sign-in', checkedAt: '2026-11-23T00:00:00.000Z' });
    await old.write(async (trx) => {
      for (const [at, text] of [JSON.stringify(input({ id: 'a', displayName: 'Contoso' })), 'no JSON'].entries()) {
        const id = at === 0 ? 'a' : 'b';
        await sql`insert into tenants (id, record, revision, state, created_at, updated_at, change_sequence) values (${id}, ${text}, 1, 'active', 0, 0, ${at + 1})`.execute(
          trx,
        );
        await sql`insert into tenant_checks (tenant_id, is_watched, due_at, last_check, changes) values (${id}, 1, 0, ${at === 0 ? lastCheck : null}, 1)`.execute(
          trx,
        );
      }
    });
    await migrate(database.options);
    const registry = await database.openRegistry({ onInvalidRecord: () => undefined });
    expect(await idsOf(registry, { search: 'contoso' })).toEqual(['a']);
    expect(await idsOf(registry, { state: 'failing', sort: 'name' })).toEqual(['a']);
    expect(await idsOf(registry, { sort: 'checked' })).toEqual(['a']); // b's record is invalid
    const { failures } = await openClaims(await database.open()).countChecks();
    expect(failures).toEqual([{ step: 'sign-in', state: 'app-absent', count: 1 }]);
  });
});

const TENANTS = 20_000;
const NUMBERED: Readonly<Record<string, string>> = {
  SQLite: `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${TENANTS}) select n from numbers`,
  PostgreSQL: `select n from generate_series(1, ${TENANTS}) as n`,
};
const QUERIES: readonly Partial<TenantQuery>[] = [
  ...(['id', 'name', 'updated', 'checked'] as const).map((sort) => ({ sort })),
  { sort: 'name', after: { key: 'customer 5000', id: 'tenant-5000' } },
  { sort: 'id', search: 'tenant-123' },
  { sort: 'name', search: 'customer 123' },
  { sort: 'id', search: DIRECTORY },
  { sort: 'id', state: 'failing' },
  { sort: 'name', state: 'suspended' },
];

describe.each(DATABASES)('a list of many tenants in %s', (kind, create) => {
  test('reads no more rows than it needs: each sort and filter has an index', async () => {
    await using database = await create();
    const { write, read, dialect } = await database.open();
    const numbers = sql.raw(NUMBERED[kind] ?? '');
    await write(async (trx) => {
      await sql`insert into tenants (id, record, revision, state, created_at, updated_at, change_sequence, name_key, directory_id)
        select 'tenant-' || n, '{}', 1, case when n % 1000 = 0 then 'suspended' else 'active' end, n, n, n, 'customer ' || n, 'd-' || n
        from (${numbers}) as numbered`.execute(trx);
      await sql`insert into tenant_checks (tenant_id, is_watched, due_at, changes, outcome, step, checked_at)
        select 'tenant-' || n, 1, n, 1, case when n % 1000 = 1 then 'role-missing' end, case when n % 1000 = 1 then 'key data' end, n
        from (${numbers}) as numbered`.execute(trx);
    });
    await write((trx) => sql`analyze`.execute(trx));
    for (const query of QUERIES) {
      const plan = await read(async (db) => {
        const compiled = searchQuery(db, dialect, { sort: 'id', limit: 51, ...query });
        return JSON.stringify(await compiled.explain(undefined, kind === 'SQLite' ? sql`query plan` : undefined));
      });
      expect({ query, plan }).toEqual({ query, plan: expect.not.stringMatching(/Seq Scan|SCAN tenants(?! USING)/) });
    }
  });
});
