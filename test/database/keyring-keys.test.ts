import { describe, expect, test } from '@jest/globals';
import { ChangeFollower } from '../../src/database/tables/change-follower.ts';
import { keyringChanges, keyringKeys } from '../../src/database/tables/keyring-keys.ts';
import type { KeyringStore, NewStoredKey } from '../../src/keyring/keyring-store.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { MemoryKeyring } from '../support/memory-keyring.ts';
import { DATABASES } from '../support/sql-databases.ts';
import { until } from '../support/until.ts';

const KID = 'https://kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const NEWER = 'https://kv.vault.azure.net/keys/data/11111111111111111111111111111111';

const branch = (change: Partial<NewStoredKey> = {}): NewStoredKey => ({
  tenantId: 'contoso',
  id: 'ICEiIyQlJic',
  kind: 'branch',
  vaultKey: 'https://kv.vault.azure.net/keys/data',
  label: '2026-11-26T00:00:00Z',
  jwe: 'one',
  kid: KID,
  ...change,
});
const moved = (jwe: string, isCopied = false) => ({ vaultKey: branch().vaultKey, jwe, kid: NEWER, isCopied });
const named = ({ tenantId, id }: NewStoredKey) => ({ tenantId, id });

/** A keyring that several processes open. */
interface SharedKeyring extends AsyncDisposable {
  open(): Promise<KeyringStore>;
}
type CreateKeyring = () => Promise<SharedKeyring>;

/** The one of tests in memory keeps the same contract. */
const STORES: readonly (readonly [name: string, create: CreateKeyring])[] = [
  ...DATABASES.map(([name, create]): readonly [string, CreateKeyring] => [
    name,
    async () => {
      const database = await create();
      return {
        open: async () => keyringKeys({ database: await database.open() }),
        [Symbol.asyncDispose]: async () => database[Symbol.asyncDispose](),
      };
    },
  ]),
  [
    'memory',
    async () => {
      const store = new MemoryKeyring(systemClock);
      return { open: async () => store, [Symbol.asyncDispose]: async () => undefined };
    },
  ],
];

describe.each(STORES)('the keyring in %s', (_name, create) => {
  test("stores a key unchanged, with the database's time", async () => {
    await using keyring = await create();
    const store = await keyring.open();
    const before = await store.now();
    expect(await store.create(branch())).toBe(true);
    const { keys, nowMs } = await store.find('contoso', ['ICEiIyQlJic', 'unknown']);
    const { jwe, ...rest } = branch();
    expect(keys).toEqual([{ ...rest, jwe, createdAt: expect.any(Number), copiedKid: undefined, isCopied: false }]);
    expect(keys[0]?.createdAt).toBeGreaterThanOrEqual(before);
    expect(nowMs).toBeGreaterThanOrEqual(keys[0]?.createdAt ?? Number.NaN);
    expect(await store.find('other', ['ICEiIyQlJic'])).toMatchObject({ keys: [] });
    expect(await store.find('contoso', [])).toMatchObject({ keys: [] });
  });

  test('has one key for a tenant, registered key, label and key version when two processes make it at once', async () => {
    await using keyring = await create();
    const [one, other] = [await keyring.open(), await keyring.open()];
    const made = await Promise.all([one.create(branch()), other.create(branch({ id: 'AAAAAAAAAAA', jwe: 'two' }))]);
    expect(made.filter((isMade) => isMade)).toHaveLength(1);
    expect(await one.create(branch({ id: 'BBBBBBBBBBA', kid: NEWER }))).toBe(true);
    expect(await one.create(branch({ id: 'CCCCCCCCCCA', tenantId: 'fabrikam' }))).toBe(true);
    const { keys } = await one.labelled('contoso', 'branch', branch().vaultKey, [branch().label]);
    expect(keys).toHaveLength(2);
    expect(keys[1]?.id).toBe('BBBBBBBBBBA'); // the oldest first
    expect((await one.labelled('contoso', 'index', branch().vaultKey, [branch().label])).keys).toEqual([]);
    expect((await one.labelled('contoso', 'branch', branch().vaultKey, ['2026-11-27T00:00:00Z'])).keys).toEqual([]);
  });

  test('moves a key to another registered key and back, where one was made meanwhile', async () => {
    await using keyring = await create();
    const store = await keyring.open();
    const other = 'https://kv.vault.azure.net/keys/other';
    await store.create(branch());
    expect(await store.replace(named(branch()), 'one', { ...moved('two'), vaultKey: other })).toBe(true);
    expect(await store.create(branch({ id: 'AAAAAAAAAAA' }))).toBe(true);
    expect(await store.replace(named(branch()), 'two', moved('three'))).toBe(true);
    expect(await store.create(branch({ id: 'BBBBBBBBBBA' }))).toBe(false); // still one of each epoch
  });

  test('replaces a JWE only if it is still the one that was read', async () => {
    await using keyring = await create();
    const store = await keyring.open();
    await store.create(branch());
    await store.markCopied([branch()]);
    expect((await store.find('contoso', [branch().id])).keys[0]).toMatchObject({ isCopied: true, copiedKid: KID });
    expect(await store.replace(named(branch()), 'another', moved('two'))).toBe(false);
    expect(await store.replace(named(branch()), 'one', moved('two'))).toBe(true);
    expect((await store.find('contoso', [branch().id])).keys[0]).toMatchObject({
      jwe: 'two',
      kid: NEWER,
      isCopied: false,
      copiedKid: KID,
    });
    await store.markCopied([branch()]); // of the previous JWE: too late
    expect((await store.find('contoso', [branch().id])).keys[0]).toMatchObject({ isCopied: false });
    await store.replace(named(branch()), 'two', moved('three', true));
    expect((await store.find('contoso', [branch().id])).keys[0]).toMatchObject({ isCopied: true, copiedKid: NEWER });
  });

  test('moves a key to another registered key', async () => {
    await using keyring = await create();
    const store = await keyring.open();
    await store.create(branch());
    const other = 'https://kv.vault.azure.net/keys/archive';
    await store.replace(named(branch()), 'one', { ...moved('two'), vaultKey: other });
    expect((await store.labelled('contoso', 'branch', other, [branch().label])).keys).toHaveLength(1);
    expect((await store.labelled('contoso', 'branch', branch().vaultKey, [branch().label])).keys).toEqual([]);
    expect(await store.create(branch({ id: 'AAAAAAAAAAA', jwe: 'three' }))).toBe(true); // the place is free again
  });

  test('counts keys and newest copies by key version', async () => {
    await using keyring = await create();
    const store = await keyring.open();
    await store.create(branch());
    await store.create(branch({ id: 'AAAAAAAAAAA', label: '2026-11-27T00:00:00Z', jwe: 'two' }));
    await store.markCopied([branch()]);
    await store.replace(named(branch()), 'one', moved('three'));
    expect((await store.needs('contoso')).toSorted((a, b) => (a.kid < b.kid ? -1 : 1))).toEqual([
      { kid: KID, keys: 1, copies: 1 },
      { kid: NEWER, keys: 1, copies: 0 },
    ]);
    expect(await store.needs('fabrikam')).toEqual([]);
  });

  test('leaves a tombstone that is never overwritten', async () => {
    await using keyring = await create();
    const store = await keyring.open();
    await store.create(branch());
    expect(await store.restore(branch())).toBe('present');
    expect(await store.destroy('contoso', [branch().id, 'unknown'])).toEqual([named(branch())]);
    expect(await store.destroy('contoso', [branch().id])).toEqual([]);
    expect((await store.find('contoso', [branch().id])).keys[0]).toMatchObject({ jwe: undefined });
    expect(await store.restore(branch())).toBe('destroyed');
    expect(await store.replace(named(branch()), 'one', moved('two'))).toBe(false);
    expect(await store.needs('contoso')).toEqual([]);
  });

  test('restores a key that a process or a copy holds', async () => {
    await using keyring = await create();
    const store = await keyring.open();
    expect(await store.restore(branch())).toBe('added');
    expect(await store.restore(branch({ id: 'AAAAAAAAAAA', jwe: 'two' }))).toBe('added'); // same label, another id
    expect((await store.labelled('contoso', 'branch', branch().vaultKey, [branch().label])).keys).toHaveLength(2);
  });

  test('returns the keys of all tenants page by page', async () => {
    await using keyring = await create();
    const store = await keyring.open();
    const names = [
      ['a', 'AAAAAAAAAAA'],
      ['a', 'BBBBBBBBBBA'],
      ['b', 'AAAAAAAAAAA'],
    ] as const;
    for (const [tenantId, id] of names) await store.create(branch({ tenantId, id, label: id }));
    const first = (await store.page(2, undefined)).keys;
    expect(first.map(({ tenantId, id }) => [tenantId, id])).toEqual(names.slice(0, 2));
    const [, last] = first;
    expect((await store.page(2, last)).keys.map(({ tenantId, id }) => [tenantId, id])).toEqual(names.slice(2));
    expect((await store.page(9, undefined, 'a')).keys).toHaveLength(2);
  });
});

describe.each(DATABASES)('the table of the keyring in %s', (_name, create) => {
  test('is one database to all processes that open it, and another one elsewhere', async () => {
    await using database = await create();
    await using elsewhere = await create();
    const idOf = async (where: typeof database) => keyringKeys({ database: await where.open() }).databaseId();
    const id = await idOf(database);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf(database)).toBe(id);
    expect(await idOf(elsewhere)).not.toBe(id);
  });

  test('notifies other processes within a second of the tenant whose keys changed, and skips its own changes', async () => {
    await using database = await create();
    const told: (string | undefined)[] = [];
    const store = keyringKeys({ database: await database.open(), origin: 'writer' });
    await using follower = await followed(await database.open(), 'reader', told);
    await using own = await followed(await database.open(), 'writer', []);
    await store.create(branch());
    await until(() => told.includes('contoso'));
    await store.destroy('contoso', [branch().id]);
    await until(() => told.filter((tenantId) => tenantId === 'contoso').length >= 2);
    expect(follower).toBeDefined();
    expect(own).toBeDefined();
  });
});

async function followed(
  database: Awaited<ReturnType<Awaited<ReturnType<(typeof DATABASES)[number][1]>>['open']>>,
  origin: string,
  told: (string | undefined)[],
): Promise<AsyncDisposable> {
  const follower = new ChangeFollower({
    source: keyringChanges,
    database,
    clock: systemClock,
    refreshMs: 60_000,
    origin,
    onChange: (tenantId) => told.push(tenantId),
    onConfirmed: () => undefined,
    onTrouble: () => undefined,
    onRecovery: () => undefined,
  });
  await follower.start();
  return { [Symbol.asyncDispose]: () => follower.close() };
}
