import { describe, expect, test } from '@jest/globals';
import { tenantHistory } from '../../src/database/tables/tenant-history.ts';
import type { TenantInput } from '../../src/tenants/record-schema.ts';
import { DATABASES, input } from '../support/sql-databases.ts';
import { TestClock } from '../support/test-clock.ts';

const VAULT = 'https://shared-kv.vault.azure.net';
const key = (change: object = {}) => ({ vaultUrl: VAULT, name: 'data', use: 'data', ...change });

describe.each(DATABASES)('writing to tenants in %s', (_name, create) => {
  test('a created tenant has revision 1, and a replaced one the next, with its times', async () => {
    await using database = await create();
    const clock = new TestClock();
    const registry = await database.openRegistry({ clock });
    const created = await registry.put(input({ id: 'contoso' }), undefined, 'ann');
    const wallMs = clock.wallMs();
    const createdAt = new Date(wallMs).toISOString();
    expect(created).toMatchObject({ id: 'contoso', revision: '1', createdAt, updatedAt: createdAt });
    clock.advance(60);
    const changed = await registry.put(input({ id: 'contoso', displayName: 'Contoso' }), '1', 'bob');
    const updatedAt = new Date(wallMs + 60_000).toISOString();
    expect(changed).toMatchObject({ displayName: 'Contoso', revision: '2', createdAt, updatedAt });
    expect(await registry.get('contoso')).toEqual(changed);
    expect((await registry.list(10)).tenants).toEqual([changed]);
  });

  test('a record with every member is returned unchanged, in its own order', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    const full = input({
      displayName: 'Contoso \u{1F511}',
      keys: { zulu: key(), alpha: key({ name: 'wrap', use: 'wrap', keyVersion: '0'.repeat(32) }) },
      defaultKey: 'zulu',
      retiredKeys: [{ vaultUrl: VAULT, name: 'old' }],
      dataKeys: { maxAgeSeconds: 60 },
      requiredContext: ['purpose'],
      metadata: { z: 'odd \u0000 \ud800', a: '2' },
    });
    const created = await registry.put(full, undefined, 'ann');
    const read = await (await database.openRegistry()).get('contoso');
    expect(read).toEqual(created);
    expect(JSON.stringify(read)).toBe(JSON.stringify(created));
  });

  test('stores the author, the time and the content of each change', async () => {
    await using database = await create();
    const clock = new TestClock();
    const registry = await database.openRegistry({ clock });
    await registry.put(input(), undefined, 'ann');
    await registry.put(input({ displayName: 'Contoso' }), '1', 'bob');
    await registry.remove('contoso', '2', 'cleo');
    const { changes } = await tenantHistory(await database.open(), 'contoso');
    const changedAt = clock.wallMs();
    expect(changes).toMatchObject([
      { changedAt, revision: 3, action: 'removed', changedBy: 'cleo' },
      { changedAt, revision: 2, action: 'replaced', changedBy: 'bob' },
      { changedAt, revision: 1, action: 'created', changedBy: 'ann' },
    ]);
    const names = changes.map(({ record }) => (JSON.parse(record) as TenantInput).displayName);
    expect(names).toEqual(['Contoso', 'Contoso', undefined]);
    expect((await tenantHistory(await database.open(), 'fabrikam')).changes).toEqual([]);
  });

  test('an id is created once, and never again after its removal', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    await registry.put(input(), undefined, 'ann');
    await expect(registry.put(input(), undefined, 'ann')).rejects.toMatchObject({
      code: 'tenant-exists',
      reason: undefined,
      errors: [{ pointer: '/path/tenantId' }],
    });
    await registry.remove('contoso', '1', 'ann');
    await expect(registry.get('contoso')).rejects.toMatchObject({ code: 'tenant-not-found' });
    await expect(registry.put(input(), undefined, 'ann')).rejects.toMatchObject({
      code: 'tenant-exists',
      reason: 'id-used-before',
      errors: [{ pointer: '/path/tenantId' }],
    });
    for (const again of [registry.put(input(), '2', 'ann'), registry.remove('contoso', '2', 'ann')]) {
      await expect(again).rejects.toMatchObject({ code: 'tenant-not-found' });
    }
  });

  test('an outdated or invalid revision changes nothing', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    await registry.put(input(), undefined, 'ann');
    const current = await registry.put(input({ displayName: 'Contoso' }), '1', 'ann');
    for (const stale of ['1', '3', '02', '2 ', '', 'abc', '2.0']) {
      const mismatch = { code: 'revision-mismatch', errors: [{ pointer: '/header/If-Match' }] };
      await expect(registry.put(input(), stale, 'ann')).rejects.toMatchObject(mismatch);
      await expect(registry.remove('contoso', stale, 'ann')).rejects.toMatchObject(mismatch);
    }
    expect(await registry.get('contoso')).toEqual(current);
    await expect(registry.put(input({ id: 'nobody' }), '1', 'ann')).rejects.toMatchObject({ code: 'tenant-not-found' });
    await expect(registry.remove('NOBODY\u0000', '1', 'ann')).rejects.toMatchObject({ code: 'tenant-not-found' });
  });
});
