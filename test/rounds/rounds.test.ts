import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { openClaims } from '../../src/database/tables/claims.ts';
import { tenantHistory } from '../../src/database/tables/tenant-history.ts';
import { ServiceError } from '../../src/errors.ts';
import type { TenantCheck } from '../../src/operations/doctor/tenant-check.ts';
import { Rounds, type RoundsOptions, type Visited } from '../../src/rounds/rounds.ts';
import type { Tenant } from '../../src/tenants/record.ts';
import { DATABASES, input, type TestDatabase } from '../support/sql-databases.ts';
import { until } from '../support/until.ts';

/** A manual clock, for intervals and leases. */
class Time {
  now = Date.now();
  readonly wallMs = () => this.now;
}

const passed = (tenantId: string): TenantCheck => ({
  tenantId,
  state: 'passed',
  at: new Date().toISOString(),
  steps: [],
});
const failed = (tenantId: string, reason: string): TenantCheck => ({
  tenantId,
  state: 'failed',
  at: new Date().toISOString(),
  steps: [{ name: 'key data', state: 'failed', code: 'access-revoked', reason }],
});

async function register(database: TestDatabase, ids: readonly string[]) {
  const tenants = await database.openRegistry();
  for (const id of ids) await tenants.put(input({ id }), undefined, 'test');
  return tenants;
}

async function roundsOn(database: TestDatabase, time: Time, change: Partial<RoundsOptions>): Promise<Rounds> {
  return new Rounds({
    tenants: await database.openRegistry(),
    claims: openClaims(await database.open()),
    examine: async ({ id }) => passed(id),
    owner: `owner ${Math.random()}`,
    intervalMs: 3_600_000,
    maxConcurrent: 4,
    pollMs: 5,
    wallMs: time.wallMs,
    onVisited: () => undefined,
    upkeep: async () => undefined,
    onTrouble: () => undefined,
    ...change,
  });
}

const IDS = Array.from({ length: 30 }, (_, at) => `tenant-${String(at).padStart(2, '0')}`);

describe.each(DATABASES)('rounds on %s', (_name, create) => {
  test('of three processes visit every tenant once in an interval, and again in the next', async () => {
    await using database = await create();
    await register(database, IDS);
    const time = new Time();
    const visited: string[] = [];
    const examine = async ({ id }: Tenant) => {
      visited.push(id);
      await sleep(1);
      return passed(id);
    };
    const processes = await Promise.all([1, 2, 3].map(() => roundsOn(database, time, { examine })));
    for (const rounds of processes) rounds.start();
    await until(() => visited.length >= IDS.length);
    await sleep(50);
    expect(visited.toSorted()).toEqual(IDS);
    time.now += 2 * 3_600_000;
    await until(() => visited.length >= 2 * IDS.length);
    await Promise.all(processes.map((rounds) => rounds.stop()));
    expect(visited.toSorted()).toEqual([...IDS, ...IDS].toSorted());
  });

  test('never exceed their limit of concurrent visits', async () => {
    await using database = await create();
    await register(database, IDS);
    let underWay = 0;
    let most = 0;
    let visits = 0;
    const rounds = await roundsOn(database, new Time(), {
      maxConcurrent: 3,
      examine: async ({ id }) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await sleep(2);
        underWay -= 1;
        visits += 1;
        return passed(id);
      },
    });
    rounds.start();
    await until(() => visits === IDS.length);
    await rounds.stop();
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(3);
  });

  test('repeat a visit that died, once its lease has ended, and lose none', async () => {
    await using database = await create();
    await register(database, ['a']);
    const time = new Time();
    let isClaimed = false;
    const gate = Promise.withResolvers<TenantCheck>();
    const claims = openClaims(await database.open());
    const dead = await roundsOn(database, time, {
      claims: { ...claims, claimDue: (...args) => (isClaimed ? Promise.resolve([]) : claims.claimDue(...args)) },
      examine: () => {
        isClaimed = true;
        return gate.promise;
      },
    });
    dead.start();
    await until(() => isClaimed);
    const visited: string[] = [];
    const living = await roundsOn(database, time, { onVisited: ({ tenant }) => visited.push(tenant.id) });
    living.start();
    await sleep(50);
    expect(visited).toEqual([]);
    time.now += 5 * 60_000 + 1;
    await until(() => visited.length === 1);
    await living.stop();
    gate.resolve(passed('a')); // too late: its lease has ended, and its result is dropped
    await dead.stop();
  });

  test('report a change of state once, with the previous state, and keep the last check', async () => {
    await using database = await create();
    await register(database, ['a']);
    const time = new Time();
    let reason: string | undefined;
    const seen: Visited[] = [];
    const rounds = await roundsOn(database, time, {
      examine: async ({ id }) => (reason === undefined ? passed(id) : failed(id, reason)),
      onVisited: (visited) => seen.push(visited),
    });
    rounds.start();
    const next = async (count: number) => {
      time.now += 2 * 3_600_000;
      await until(() => seen.length === count);
    };
    await until(() => seen.length === 1);
    await next(2);
    reason = 'role-missing';
    await next(3);
    await next(4);
    await rounds.stop();
    expect(seen.map(({ isChanged, check, previous }) => [isChanged, check.state, previous?.state])).toEqual([
      [true, 'passed', undefined],
      [false, 'passed', 'passed'],
      [true, 'role-missing', 'passed'],
      [false, 'role-missing', 'role-missing'],
    ]);
    const opened = await database.open();
    expect(await openClaims(opened).lastCheck('a')).toMatchObject({ state: 'role-missing', step: 'key data' });
    const { checks } = await tenantHistory(opened, 'a');
    expect(checks.map(({ state }) => state)).toEqual(['role-missing', 'passed']);
  });

  test("use a tenant's own interval, and skip a suspended one", async () => {
    await using database = await create();
    const tenants = await register(database, []);
    await tenants.put(input({ id: 'often', checkIntervalSeconds: 60 }), undefined, 'test');
    await tenants.put(input({ id: 'suspended', state: 'suspended' }), undefined, 'test');
    const time = new Time();
    const visited: string[] = [];
    const rounds = await roundsOn(database, time, { onVisited: ({ tenant }) => visited.push(tenant.id) });
    rounds.start();
    await until(() => visited.length === 1);
    time.now += 120_000;
    await until(() => visited.length === 2);
    await rounds.stop();
    expect(visited).toEqual(['often', 'often']);
  });

  test('continue after a database outage, and report it', async () => {
    await using database = await create();
    await register(database, ['a']);
    const claims = openClaims(await database.open());
    const store: { isAway: boolean } = { isAway: true };
    const troubles: unknown[] = [];
    const visited: string[] = [];
    const rounds = await roundsOn(database, new Time(), {
      claims: {
        claimDue: (...args) =>
          store.isAway ? Promise.reject(new ServiceError('registry-unavailable', 'away')) : claims.claimDue(...args),
        finish: claims.finish,
      },
      onTrouble: (error) => troubles.push(error),
      onVisited: ({ tenant }) => visited.push(tenant.id),
    });
    rounds.start();
    await until(() => troubles.length > 1);
    store.isAway = false;
    await until(() => visited.length === 1);
    await rounds.stop();
    expect(troubles[0]).toMatchObject({ code: 'registry-unavailable' });
  });
});
