import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { openClaims } from '../../src/database/tables/claims.ts';
import type { ServiceError } from '../../src/errors.ts';
import { administer, input, newPostgres, newSqlite } from '../support/sql-databases.ts';
import { openProxy } from '../support/sql-proxy.ts';
import { TestClock } from '../support/test-clock.ts';
import { until } from '../support/until.ts';

const AWAY = { code: 'registry-unavailable', retryAfter: 5 };

/** Opens a PostgreSQL registry behind a proxy, and one without a proxy. */
async function openBehindProxy() {
  const database = await newPostgres();
  const proxy = await openProxy(database.options);
  const clock = new TestClock();
  const troubles: string[] = [];
  const recoveries: string[] = [];
  const connect = { url: proxy.url, connectTimeoutMs: 300, statementTimeoutMs: 300 };
  const registry = await database.openRegistry({
    clock,
    connect,
    onTrouble: (trouble) => troubles.push(trouble),
    onRecovery: (trouble) => recoveries.push(trouble),
  });
  const beside = await database.openRegistry();
  const told = new Set<string | undefined>();
  registry.onChange((tenantId) => told.add(tenantId));
  for (const id of ['known', 'other', 'last']) await beside.put(input({ id }), undefined, 'ann');
  await until(() => told.has('last')); // it receives changes
  await registry.get('known');
  return {
    database,
    proxy,
    connect,
    clock,
    registry,
    beside,
    troubles,
    recoveries,
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describe('an unreachable PostgreSQL', () => {
  test.each(['refusing', 'silent'] as const)(
    'and %s: known tenants work, others wait, and everything recovers by itself',
    async (mode) => {
      await using outage = await openBehindProxy();
      const { registry, beside, proxy, troubles, recoveries } = outage;
      proxy.turn(mode);
      await expect(registry.get('other')).rejects.toMatchObject(AWAY);
      await expect(registry.list(10)).rejects.toMatchObject(AWAY);
      await expect(registry.put(input({ id: 'new' }), undefined, 'ann')).rejects.toMatchObject(AWAY);
      await expect(registry.remove('other', '1', 'ann')).rejects.toMatchObject(AWAY);
      expect((await registry.get('known')).id).toBe('known');
      expect(registry.trouble()).toMatch(/tenant database is unreachable/);
      await beside.put(input({ id: 'known', state: 'suspended' }), '1', 'ann');
      proxy.turn('open');
      await until(async () => (await registry.get('known')).state === 'suspended');
      await until(() => registry.trouble() === undefined);
      expect((await registry.get('other')).id).toBe('other');
      expect(new Set(troubles).size).toBe(troubles.length);
      expect(recoveries.toSorted()).toEqual(troubles.toSorted());
    },
    30_000,
  );

  test('stops known tenants at the staleness bound, and not a second after it has recovered', async () => {
    await using outage = await openBehindProxy();
    const { registry, proxy, clock } = outage;
    proxy.turn('refusing');
    clock.advance(299);
    expect((await registry.get('known')).id).toBe('known');
    clock.advance(2);
    await expect(registry.get('known')).rejects.toMatchObject(AWAY);
    proxy.turn('open');
    expect((await registry.get('known')).id).toBe('known');
  });

  test('delays claims, and loses none', async () => {
    await using outage = await openBehindProxy();
    const { database, connect, proxy } = outage;
    const claims = openClaims(await database.open(connect));
    await claims.watch(['visited'], 0);
    await claims.claimDue(0, 'owner', 60_000, 1);
    proxy.turn('refusing');
    const check = { state: 'passed', checkedAt: '2026-11-23T00:00:00.000Z' };
    await expect(claims.finish('visited', 'owner', check, 1)).rejects.toMatchObject(AWAY);
    await expect(claims.claimDue(0, 'owner', 60_000, 1)).rejects.toMatchObject(AWAY);
    proxy.turn('open');
    expect(await claims.finish('visited', 'owner', check, 1)).toEqual({ isChanged: true });
  });

  test('ends every connection: new ones are opened, and changes are received again', async () => {
    await using database = await newPostgres();
    const lost = new Set<number>();
    const [registry, beside] = [
      await database.openRegistry({ onTrouble: () => lost.add(0), refreshMs: 3_600_000 }),
      await database.openRegistry({ onTrouble: () => lost.add(1) }),
    ];
    await beside.put(input({ id: 'known' }), undefined, 'ann');
    await registry.get('known');
    const name = 'url' in database.options ? /([^/?]*)\?/.exec(database.options.url)?.[1] : '';
    await administer('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    await until(() => lost.size === 2);
    expect((await registry.get('known')).id).toBe('known');
    // A connection whose end this process has not noticed yet may fail one call.
    const answerOf = (one: typeof registry) =>
      Promise.try(() => one.get('nobody')).catch(({ code }: ServiceError) => code);
    for (const one of [registry, beside]) await until(async () => (await answerOf(one)) === 'tenant-not-found');
    await until(() => registry.trouble() === undefined && beside.trouble() === undefined);
    await beside.put(input({ id: 'known', state: 'suspended' }), '1', 'ann');
    await until(async () => (await registry.get('known')).state === 'suspended');
  });

  test('for notifications only: changes are looked up every second', async () => {
    await using database = await newPostgres();
    await using proxy = await openProxy(database.options);
    const registry = await database.openRegistry({ connect: { directUrl: proxy.url } });
    const beside = await database.openRegistry();
    await until(() => registry.trouble() === undefined);
    await beside.put(input({ id: 'known' }), undefined, 'ann');
    await registry.get('known');
    proxy.turn('refusing');
    await until(() => registry.trouble()?.includes('notifications') === true);
    await beside.put(input({ id: 'known', state: 'suspended' }), '1', 'ann');
    await until(async () => (await registry.get('known')).state === 'suspended');
  });
});

describe('a SQLite file that another process writes', () => {
  async function openLocked(busyTimeoutMs: number) {
    const database = await newSqlite();
    const registry = await database.openRegistry({ connect: { busyTimeoutMs } });
    await registry.put(input({ id: 'known' }), undefined, 'ann');
    const other = new DatabaseSync('file' in database.options ? database.options.file : '');
    other.exec('begin immediate');
    return {
      registry,
      unlock: () => other.exec('commit'),
      [Symbol.asyncDispose]: async () => {
        other.close();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test('delays a write without blocking the process or its reads', async () => {
    await using locked = await openLocked(5_000);
    const { registry } = locked;
    const writing = registry.put(input({ id: 'new' }), undefined, 'ann');
    let ticks = 0;
    const ticking = setInterval(() => {
      ticks += 1;
    }, 10);
    await sleep(600);
    expect((await registry.list(10)).tenants.map(({ id }) => id)).toEqual(['known']);
    expect(ticks).toBeGreaterThan(10);
    locked.unlock();
    expect((await writing).revision).toBe('1');
    clearInterval(ticking);
  });

  test('for too long fails the write, and not later ones', async () => {
    await using locked = await openLocked(100);
    const { registry } = locked;
    await expect(registry.put(input({ id: 'new' }), undefined, 'ann')).rejects.toMatchObject(AWAY);
    expect((await registry.get('known')).id).toBe('known');
    locked.unlock();
    expect((await registry.put(input({ id: 'new' }), undefined, 'ann')).revision).toBe('1');
    await until(() => registry.trouble() === undefined);
  });
});
