import { describe, expect, test } from '@jest/globals';
import { MIGRATIONS, migrate } from '../../src/database/migrations/migrations.ts';
import { keyUsageTable } from '../../src/database/tables/key-usage-table.ts';
import { keyRegister } from '../../src/database/tables/key-uses.ts';
import type { ServiceError } from '../../src/errors.ts';
import type { TenantInput } from '../../src/tenants/record-schema.ts';
import { DATABASES, input } from '../support/sql-databases.ts';

const VAULT = 'https://shared-kv.vault.azure.net';
const key = (change: object = {}) => ({ vaultUrl: VAULT, name: 'data', use: 'data', ...change });
const withKey = (id: string, change?: object) => input({ id, keys: { data: key(change) } });

describe.each(DATABASES)('vault keys of tenants in %s', (_name, create) => {
  test.each([
    ['a key', { keys: { data: key() } }, '/keys/data'],
    ['a key in other letters', { keys: { data: key({ name: 'DATA' }) } }, '/keys/data'],
    [
      'a retired key',
      {
        retiredKeys: [
          { vaultUrl: VAULT, name: 'other' },
          { vaultUrl: VAULT, name: 'data' },
        ],
      },
      '/retiredKeys/1',
    ],
    ["another's retired key", { keys: { data: key({ name: 'old' }) } }, '/keys/data'],
  ])(
    '%s that another tenant has is refused at its place, without its name, and nothing is stored',
    async (_case, change, pointer) => {
      await using database = await create();
      const registry = await database.openRegistry();
      const retiredKeys = [{ vaultUrl: VAULT, name: 'old' }];
      await registry.put(input({ id: 'northwind', keys: { data: key() }, retiredKeys }), undefined, 'ann');
      const refused = registry.put(input({ id: 'fabrikam', ...change }), undefined, 'ann');
      await expect(refused).rejects.toMatchObject({
        code: 'key-taken',
        errors: [{ pointer }],
      });
      const error = (await refused.catch((failure: unknown) => failure)) as ServiceError;
      expect(JSON.stringify([error.message, error.errors, error.fix])).not.toContain('northwind');
      await expect(registry.get('fabrikam')).rejects.toMatchObject({ code: 'tenant-not-found' });
      expect((await registry.put(input({ id: 'fabrikam' }), undefined, 'ann')).revision).toBe('1');
    },
  );

  test('a key that is twice in one record is refused, since unwrap would return data keys', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    const twice = input({
      keys: { data: key(), wrap: key({ use: 'wrap' }) },
      retiredKeys: [{ vaultUrl: VAULT, name: 'Data' }],
    });
    await expect(registry.put(twice, undefined, 'ann')).rejects.toMatchObject({
      code: 'key-taken',
      errors: [{ pointer: '/keys/wrap' }, { pointer: '/retiredKeys/0' }],
    });
  });

  test("a key stays its tenant's after it left the record and after the tenant was removed", async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    await registry.put(withKey('a'), undefined, 'ann');
    await registry.put(input({ id: 'a' }), '1', 'ann');
    const taken = { code: 'key-taken', errors: [{ pointer: '/keys/data' }] };
    await expect(registry.put(withKey('b'), undefined, 'ann')).rejects.toMatchObject(taken);
    await registry.remove('a', '2', 'ann');
    await expect(registry.put(withKey('b', { name: 'DATA' }), undefined, 'ann')).rejects.toMatchObject(taken);
  });

  test.each([
    ['data, then wrap', {}, { keys: { data: key({ name: 'next' }), wrap: key({ use: 'wrap', name: 'Data' }) } }],
    [
      'retired, then wrap',
      { retiredKeys: [{ vaultUrl: VAULT, name: 'old' }] },
      { keys: { data: key(), wrap: key({ use: 'wrap', name: 'old' }) } },
    ],
    [
      'wrap, then data',
      { keys: { data: key(), wrap: key({ use: 'wrap', name: 'w' }) } },
      { keys: { data: key({ name: 'w' }) } },
    ],
    [
      'wrap, then retired',
      { keys: { data: key(), wrap: key({ use: 'wrap', name: 'w' }) } },
      { retiredKeys: [{ vaultUrl: VAULT, name: 'w' }] },
    ],
  ])(
    "a key's use is permanent: %s is refused at once and after the key left the record",
    async (_case, first, other) => {
      await using database = await create();
      const registry = await database.openRegistry();
      const base = { id: 'a', keys: { data: key() } };
      await registry.put(input({ ...base, ...first }), undefined, 'ann');
      const misused = { code: 'key-use' };
      await expect(registry.put(input({ ...base, ...other }), '1', 'ann')).rejects.toMatchObject(misused);
      await registry.put(input({ ...base, keys: { data: key({ name: 'between' }) } }), '1', 'ann');
      await expect(registry.put(input({ ...base, ...other }), '2', 'ann')).rejects.toMatchObject(misused);
      expect((await registry.put(input({ ...base, ...first }), '2', 'ann')).revision).toBe('3');
    },
  );

  test('an older database keeps its past conflicts, remembers them, and allows no further ones', async () => {
    await using database = await create(MIGRATIONS.slice(0, 3));
    const { write } = await database.open();
    await write(async (trx) => {
      const at = { created_at: 1, updated_at: 1, state: 'active' };
      const stored = async (id: string, revision: number, change: object, removed_at: number | null = null) => {
        const text = JSON.stringify(input({ id, keys: { data: key() }, ...change }));
        const row = { id, record: text, revision, removed_at, change_sequence: revision * 10 + id.length, ...at };
        await trx
          .insertInto('tenants')
          .values(row)
          .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
          .execute();
        await trx
          .insertInto('tenant_history')
          .values({ tenant_id: id, revision, action: 'x', record: text, changed_by: 'ann', changed_at: 1 })
          .execute();
      };
      await stored('gone', 1, {}, 1);
      await stored('both', 2, { keys: { data: key({ name: 'two' }), other: key({ name: 'b' }) } });
      await stored('both', 3, { keys: { data: key({ name: 'b' }), other: key({ name: 'two', use: 'wrap' }) } });
    });
    expect(await migrate(database.options)).toEqual(MIGRATIONS.slice(3).map(({ name }) => name));
    const registry = await database.openRegistry();
    const { revision, ...both } = await registry.get('both');
    const suspended = input({ id: 'both', keys: both.keys, state: 'suspended' });
    expect((await registry.put(suspended, revision, 'ann')).state).toBe('suspended');
    await expect(registry.put(withKey('new'), undefined, 'ann')).rejects.toMatchObject({ code: 'key-taken' });
    const misuse = input({ id: 'both', keys: { data: key({ name: 'fresh' }), b: key({ name: 'b', use: 'wrap' }) } });
    await expect(registry.put(misuse, String(Number(revision) + 1), 'ann')).rejects.toMatchObject({ code: 'key-use' });
  });

  test('a key that was registered by mistake can be deleted once it left the record, unless it was used', async () => {
    await using database = await create();
    const opened = await database.open();
    const registry = await database.openRegistry();
    const { forget } = keyRegister(opened);
    const mistake = `${VAULT}/keys/mistake`;
    await registry.put(withKey('a', { name: 'Mistake' }), undefined, 'ann');
    expect(await forget('a', mistake)).toBe('in-record');
    await registry.put(withKey('a', { name: 'right' }), '1', 'ann');
    expect(await forget('b', mistake)).toBe('not-remembered');
    expect(await forget('a', mistake)).toBe('forgotten');
    expect((await registry.put(withKey('b', { name: 'mistake' }), undefined, 'ann')).id).toBe('b');
    const keyId = `${VAULT}/keys/Right/${'0'.repeat(32)}`;
    await keyUsageTable(opened).add([{ tenantId: 'a', keyId, sealed: 1, opened: 0, lastUsedAt: 1 }]);
    await registry.put(withKey('a', { name: 'newest' }), '2', 'ann');
    expect(await forget('a', `${VAULT}/keys/right`)).toBe('was-used');
    await expect(registry.put(withKey('c', { name: 'right' }), undefined, 'ann')).rejects.toMatchObject({
      code: 'key-taken',
    });
  });

  test('of many that create one id, or claim one key, at once, exactly one wins', async () => {
    await using database = await create();
    const registries = [await database.openRegistry(), await database.openRegistry()] as const;
    const race = (record: (at: number) => TenantInput) =>
      Promise.allSettled(
        Array.from({ length: 12 }, (_, at) =>
          registries[at % 2 === 0 ? 0 : 1].put(record(at), undefined, `writer ${at}`),
        ),
      );
    const outcomes = [await race(() => input({ id: 'contoso' })), await race((at) => withKey(`tenant-${at}`))];
    for (const [at, code] of ['tenant-exists', 'key-taken'].entries()) {
      expect(outcomes[at]?.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const reasons = outcomes[at]
        ?.filter((outcome) => outcome.status === 'rejected')
        .map(({ reason }) => (reason as ServiceError).code);
      expect(new Set(reasons)).toEqual(new Set([code]));
    }
    const replaced = await Promise.allSettled(
      Array.from({ length: 12 }, (_, at) =>
        registries[at % 2 === 0 ? 0 : 1].put(input({ displayName: `${at}` }), '1', 'ann'),
      ),
    );
    expect(replaced.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});
