import { describe, expect, test } from '@jest/globals';
import { DATABASES, input } from '../support/sql-databases.ts';
import { TestClock } from '../support/test-clock.ts';
import { until } from '../support/until.ts';

describe.each(DATABASES)('changes of tenants in %s', (_name, create) => {
  test('each of two registries reports every change', async () => {
    await using database = await create();
    const registries = [await database.openRegistry(), await database.openRegistry()] as const;
    const told: (string | undefined)[][] = [[], []];
    for (const [at, registry] of registries.entries()) registry.onChange((tenantId) => told[at]?.push(tenantId));
    for (const id of ['a', 'b'])
      await expect(registries[1].get(id)).rejects.toMatchObject({ code: 'tenant-not-found' });
    await registries[0].put(input({ id: 'a' }), undefined, 'ann');
    await registries[0].put(input({ id: 'b' }), undefined, 'ann');
    await until(() => new Set(told[1]).size === 2);
    for (const heard of told) heard.length = 0;
    expect((await registries[1].get('a')).state).toBe('active');
    await registries[1].put(input({ id: 'a', state: 'suspended' }), '1', 'ann');
    await until(async () => (await registries[0].get('a')).state === 'suspended');
    await registries[0].remove('b', '1', 'ann');
    await until(() => told[1]?.includes('b') === true);
    await expect(registries[1].get('b')).rejects.toMatchObject({ code: 'tenant-not-found' });
    for (const heard of told) expect(new Set(heard)).toEqual(new Set(['a', 'b']));
  });
});

describe.each(DATABASES)('the age of the cached data in %s', (_name, create) => {
  test('grows with the time, and ends with each look-up', async () => {
    await using database = await create();
    const clock = new TestClock();
    const idle = await database.openRegistry({ clock });
    await until(() => idle.staleMs() === 0);
    clock.advance(100);
    expect(idle.staleMs()).toBe(100_000);
    const busy = await database.openRegistry({ clock, refreshMs: 20 });
    clock.advance(100);
    await until(() => busy.staleMs() === 0);
  });
});

describe.each(DATABASES)('a lost notification in %s', (_name, create) => {
  test('is made up for by the next look-up', async () => {
    await using database = await create();
    const registry = await database.openRegistry({ refreshMs: 200 });
    await registry.put(input({ id: 'known' }), undefined, 'ann');
    await registry.get('known');
    const told: (string | undefined)[] = [];
    registry.onChange((tenantId) => told.push(tenantId));
    const { write } = await database.open();
    const record = JSON.stringify(input({ id: 'known', state: 'suspended' }));
    await write(async (trx) => {
      await trx.updateTable('tenant_changes').set({ sequence: 2 }).execute();
      await trx.updateTable('tenants').set({ record, revision: 2, change_sequence: 2 }).execute();
    });
    await until(() => told.includes('known'));
    expect((await registry.get('known')).state).toBe('suspended');
  });

  test('with a database restored to an earlier day makes everything count as changed', async () => {
    await using database = await create();
    const registry = await database.openRegistry({ refreshMs: 200 });
    const first = await registry.put(input({ id: 'known' }), undefined, 'ann');
    await registry.put(input({ id: 'known', displayName: 'Later' }), '1', 'ann');
    await registry.get('known');
    const told: (string | undefined)[] = [];
    registry.onChange((tenantId) => told.push(tenantId));
    const { write } = await database.open();
    const record = JSON.stringify(input({ id: 'known' }));
    await write(async (trx) => {
      await trx.updateTable('tenant_changes').set({ sequence: 1 }).execute();
      await trx.updateTable('tenants').set({ record, revision: 1, change_sequence: 1 }).execute();
    });
    await until(() => told.includes(undefined));
    expect(await registry.get('known')).toMatchObject({ revision: first.revision });
  });
});
