import { describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { openClaims } from '../../src/database/tables/claims.ts';
import { tenantHistory } from '../../src/database/tables/tenant-history.ts';
import type { Check, Claims } from '../../src/tenants/checks.ts';
import { DATABASES, input, type TestDatabase } from '../support/sql-databases.ts';
import { TestClock } from '../support/test-clock.ts';

const LEASE_MS = 60_000;
const HOUR_MS = 3_600_000;
const check = (state: string, more: object = {}): Check => ({ state, checkedAt: '2026-11-23T00:00:00.000Z', ...more });

/** Returns claims on a connection of their own, as in another process. */
const claimsOn = async (database: TestDatabase): Promise<Claims> => openClaims(await database.open());

describe.each(DATABASES)('claims of visits in %s', (kind, create) => {
  test('new tenants are due by themselves, the one that waited longest first', async () => {
    await using database = await create();
    const clock = new TestClock();
    const registry = await database.openRegistry({ clock });
    for (const id of ['c', 'a', 'b']) {
      await registry.put(input({ id }), undefined, 'ann');
      clock.advance(1);
    }
    const claims = await claimsOn(database);
    const createdAt = clock.wallMs() - 3_000;
    expect(await claims.claimDue(createdAt - 1, 'one', LEASE_MS, 10)).toEqual([]);
    expect(await claims.claimDue(clock.wallMs(), 'one', LEASE_MS, 1)).toEqual(['c']);
    expect(await claims.claimDue(clock.wallMs(), 'one', LEASE_MS, 1)).toEqual(['a']);
    expect(await claims.claimDue(clock.wallMs(), 'one', LEASE_MS, 10)).toEqual(['b']);
    expect(await claims.claimDue(clock.wallMs(), 'one', LEASE_MS, 10)).toEqual([]);
  });

  test('a tenant that was removed and restored is visited again, and its history goes on', async () => {
    await using database = await create();
    const clock = new TestClock();
    const registry = await database.openRegistry({ clock });
    const claims = await claimsOn(database);
    const visit = async (state: string) => {
      clock.advance(1);
      expect(await claims.claimDue(clock.wallMs(), 'one', LEASE_MS, 10)).toEqual(['a']);
      return claims.finish('a', 'one', check(state), clock.wallMs() + HOUR_MS);
    };
    const put = (state: 'active' | 'suspended', revision?: string) =>
      registry.put(input({ id: 'a', state }), revision, 'ann');
    const { revision } = await put('active');
    expect(await visit('passed')).toMatchObject({ isChanged: true });
    const suspended = await put('suspended', revision);
    await registry.remove('a', suspended.revision, 'ann');
    const restored = await registry.restore('a', 'ann');
    await put('active', restored.revision);
    expect(await visit('failed')).toMatchObject({ isChanged: true });
    const { checks } = await tenantHistory(await database.open(), 'a');
    expect(checks.map(({ state }) => state).sort()).toEqual(['failed', 'passed']);
  });

  test('four concurrent claimers get every tenant, none of them twice', async () => {
    await using database = await create();
    const ids = Array.from({ length: 300 }, (_, at) => `tenant-${at}`);
    const claimers = await Promise.all(Array.from({ length: 4 }, () => claimsOn(database)));
    await claimers[0]?.watch(ids, 0);
    const claimAll = async (claims: Claims, owner: string): Promise<string[]> => {
      const claimed: string[] = [];
      for (let empty = 0; empty < 3; ) {
        const batch = await claims.claimDue(1, owner, LEASE_MS, 7);
        expect(batch.length).toBeLessThanOrEqual(7);
        claimed.push(...batch);
        empty = batch.length === 0 ? empty + 1 : 0;
      }
      return claimed;
    };
    const claimed = await Promise.all(claimers.map((claims, at) => claimAll(claims, `owner-${at}`)));
    expect(claimed.flat().sort()).toEqual([...ids].sort());
  });

  test('a claim reads an index from the tenant that waited longest on', async () => {
    await using database = await create();
    const { read, write } = await database.open();
    await (await claimsOn(database)).watch(
      Array.from({ length: 5_000 }, (_, at) => `tenant-${at}`),
      0,
    );
    await write((trx) => sql`analyze tenant_checks`.execute(trx));
    const statement = sql`select tenant_id from tenant_checks where is_watched = ${1} and due_at <= ${1} order by due_at limit 20`;
    const plan = await read((db) =>
      (kind === 'SQLite' ? sql`explain query plan ${statement}` : sql`explain ${statement}`).execute(db),
    );
    expect(JSON.stringify(plan.rows)).toMatch(/tenant_checks_due/);
    expect(JSON.stringify(plan.rows)).not.toMatch(/Sort|TEMP B-TREE/);
  });

  test('a visit that died is repeated after its lease, and its result is then too late', async () => {
    await using database = await create();
    const [dead, other] = [await claimsOn(database), await claimsOn(database)];
    await dead.watch(['contoso'], 0);
    expect(await dead.claimDue(0, 'dead', LEASE_MS, 10)).toEqual(['contoso']);
    expect(await other.claimDue(LEASE_MS - 1, 'other', LEASE_MS, 10)).toEqual([]);
    expect(await other.claimDue(LEASE_MS, 'other', LEASE_MS, 10)).toEqual(['contoso']);
    expect(await dead.finish('contoso', 'dead', check('passed'), HOUR_MS)).toBeUndefined();
    expect(await other.lastCheck('contoso')).toBeUndefined();
    expect(await other.finish('contoso', 'other', check('passed'), HOUR_MS)).toEqual({ isChanged: true });
    expect(await dead.claimDue(HOUR_MS - 1, 'dead', LEASE_MS, 10)).toEqual([]);
    expect(await dead.claimDue(HOUR_MS, 'dead', LEASE_MS, 10)).toEqual(['contoso']);
  });

  test('tenants whose visit is late are counted, and those being visited are not', async () => {
    await using database = await create();
    const claims = await claimsOn(database);
    await claims.watch(['a', 'b', 'c'], 1_000);
    expect(await claims.countOverdue(1_000)).toBe(0);
    expect(await claims.countOverdue(1_001)).toBe(3);
    await claims.claimDue(1_000, 'one', LEASE_MS, 2);
    expect(await claims.countOverdue(1_001)).toBe(1);
    await claims.watch(['b'], 1_000);
    expect(await claims.countOverdue(1_001 + LEASE_MS)).toBe(1);
  });

  test('only its owner can finish a visit, and only once', async () => {
    await using database = await create();
    const claims = await claimsOn(database);
    await claims.watch(['contoso'], 0);
    expect(await claims.finish('contoso', 'nobody', check('passed'), HOUR_MS)).toBeUndefined();
    await claims.claimDue(0, 'owner', LEASE_MS, 10);
    expect(await claims.finish('contoso', 'stranger', check('passed'), HOUR_MS)).toBeUndefined();
    expect(await claims.finish('nobody', 'owner', check('passed'), HOUR_MS)).toBeUndefined();
    expect(await claims.finish('contoso', 'owner', check('passed'), HOUR_MS)).toBeDefined();
    expect(await claims.finish('contoso', 'owner', check('role-missing'), HOUR_MS)).toBeUndefined();
    expect(await claims.lastCheck('contoso')).toEqual(check('passed'));
  });

  test('the last check is stored whole, and a change of state is reported and stored', async () => {
    await using database = await create();
    const claims = await claimsOn(database);
    await claims.watch(['contoso', 'fabrikam'], 0);
    const visit = async (found: Check) => {
      await claims.claimDue(0, 'owner', LEASE_MS, 10);
      return claims.finish('contoso', 'owner', found, 0);
    };
    const first = check('passed', { steps: [{ name: 'sign-in', ms: 12 }] });
    const failed = check('access-revoked', { reason: 'key-disabled' });
    expect(await visit(first)).toEqual({ isChanged: true });
    expect(await visit(check('passed'))).toEqual({ isChanged: false, previous: first });
    expect(await visit(failed)).toEqual({ isChanged: true, previous: check('passed') });
    expect(await claims.lastCheck('contoso')).toEqual(failed);
    expect(await claims.lastChecks(['contoso', 'fabrikam', 'nobody'])).toEqual(new Map([['contoso', failed]]));
    expect(await claims.lastChecks([])).toEqual(new Map());
    const opened = await database.open();
    const past = async (id: string) => (await tenantHistory(opened, id)).checks;
    expect([await past('contoso'), await past('fabrikam')]).toEqual([[failed, first], []]);
  });

  test('the newest hundred changes are kept', async () => {
    await using database = await create();
    const claims = await claimsOn(database);
    await claims.watch(['contoso'], 0);
    for (let at = 0; at < 105; at += 1) {
      await claims.claimDue(0, 'owner', LEASE_MS, 1);
      await claims.finish('contoso', 'owner', check(`state-${at}`), 0);
    }
    const { checks } = await tenantHistory(await database.open(), 'contoso');
    const states = checks.map(({ state }) => state);
    expect(states).toEqual(Array.from({ length: 100 }, (_, at) => `state-${104 - at}`));
    const { read } = await database.open();
    expect(await read((db) => db.selectFrom('check_history').select('change').execute())).toHaveLength(100);
  });

  test('suspended and removed tenants are not visited, resumed ones at once but not twice at a time', async () => {
    await using database = await create();
    const clock = new TestClock();
    const registry = await database.openRegistry({ clock });
    const claims = await claimsOn(database);
    const claim = () => claims.claimDue(clock.wallMs(), 'owner', LEASE_MS, 10);
    await registry.put(input({ id: 'a', state: 'suspended' }), undefined, 'ann');
    await registry.put(input({ id: 'b' }), undefined, 'ann');
    expect(await claim()).toEqual(['b']);
    await registry.put(input({ id: 'b', state: 'suspended' }), '1', 'ann');
    await registry.put(input({ id: 'b' }), '2', 'ann');
    expect(await claim()).toEqual([]); // still being visited
    await claims.finish('b', 'owner', check('passed'), clock.wallMs() + HOUR_MS);
    await registry.put(input({ id: 'a' }), '1', 'ann');
    expect(await claim()).toEqual(['a']);
    await registry.remove('a', '2', 'ann');
    expect(await claims.finish('a', 'owner', check('passed'), 0)).toBeUndefined();
    clock.advance(10 * 3_600);
    expect(await claim()).toEqual(['b']);
    await registry.put(input({ id: 'b', displayName: 'B' }), '3', 'ann');
    await claims.finish('b', 'owner', check('passed'), clock.wallMs() + HOUR_MS);
    await registry.put(input({ id: 'b', displayName: 'C' }), '4', 'ann');
    expect(await claim()).toEqual(['b']); // a changed record is visited soon
  });

  test('tenants in a file are visited while the file lists them', async () => {
    await using database = await create();
    const claims = await claimsOn(database);
    await claims.watch(['a', 'b'], 0);
    await claims.claimDue(0, 'owner', LEASE_MS, 10);
    await claims.finish('a', 'owner', check('passed'), HOUR_MS);
    await claims.watch(['a', 'c'], 0);
    expect(await claims.claimDue(LEASE_MS, 'owner', LEASE_MS, 10)).toEqual(['c']);
    expect((await claims.claimDue(HOUR_MS, 'owner', LEASE_MS, 10)).toSorted()).toEqual(['a', 'c']);
    expect(await claims.lastCheck('a')).toEqual(check('passed'));
  });
});
