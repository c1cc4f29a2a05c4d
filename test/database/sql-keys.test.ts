import { describe, expect, test } from '@jest/globals';
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
    '%s that another tenant has is refused at its place, without its name, and nothing is kept',
    async (_case, change, pointer) => {
      await using database = await create();
      const registry = await database.openRegistry();
      const retiredKeys = [{ vaultUrl: VAULT, name: 'old' }];
      await registry.put(input({ id: 'northwind', keys: { data: key() }, retiredKeys }), undefined, 'ann');
      const refused = registry.put(input({ id: 'fabrikam', ...change }), undefined, 'ann');
      await expect(refused).rejects.toMatchObject({
        code: 'tenant-misconfigured',
        reason: 'key-taken',
        errors: [{ pointer }],
      });
      const error = (await refused.catch((failure: unknown) => failure)) as ServiceError;
      expect(JSON.stringify([error.message, error.errors, error.fix])).not.toContain('northwind');
      await expect(registry.get('fabrikam')).rejects.toMatchObject({ code: 'tenant-not-found' });
      expect((await registry.put(input({ id: 'fabrikam' }), undefined, 'ann')).revision).toBe('1');
    },
  );

  test('a key that stands twice in one record is refused, since unwrap would hand out data keys', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    const twice = input({
      keys: { data: key(), wrap: key({ use: 'wrap' }) },
      retiredKeys: [{ vaultUrl: VAULT, name: 'Data' }],
    });
    await expect(registry.put(twice, undefined, 'ann')).rejects.toMatchObject({
      code: 'tenant-misconfigured',
      errors: [{ pointer: '/keys/wrap' }, { pointer: '/retiredKeys/0' }],
    });
  });

  test('a key is free again once its tenant lets go of it or is removed', async () => {
    await using database = await create();
    const registry = await database.openRegistry();
    await registry.put(withKey('a'), undefined, 'ann');
    await registry.put(input({ id: 'a' }), '1', 'ann');
    await registry.put(withKey('b'), undefined, 'ann');
    await registry.remove('b', '1', 'ann');
    expect((await registry.put(withKey('c'), undefined, 'ann')).id).toBe('c');
  });

  test('of many who create one id, or take one key, at once, exactly one wins', async () => {
    await using database = await create();
    const registries = [await database.openRegistry(), await database.openRegistry()] as const;
    const race = (record: (at: number) => TenantInput) =>
      Promise.allSettled(
        Array.from({ length: 12 }, (_, at) =>
          registries[at % 2 === 0 ? 0 : 1].put(record(at), undefined, `writer ${at}`),
        ),
      );
    const outcomes = [await race(() => input({ id: 'contoso' })), await race((at) => withKey(`tenant-${at}`))];
    for (const [at, code] of ['tenant-exists', 'tenant-misconfigured'].entries()) {
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
