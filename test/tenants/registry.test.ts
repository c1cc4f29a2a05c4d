import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { keyRegister } from '../../src/database/tables/key-uses.ts';
import { type FileRegistryOptions, openFileRegistry } from '../../src/tenants/file-registry.ts';
import type { TenantRegistry } from '../../src/tenants/registry.ts';
import { record } from '../support/make-tenant.ts';
import { DATABASES, hosts, replaceAll } from '../support/sql-databases.ts';
import { until } from '../support/until.ts';

interface Opened extends AsyncDisposable {
  readonly registry: TenantRegistry;
  /** Replaces the stored tenants. */
  readonly store: (tenants: readonly object[]) => Promise<void>;
}

interface OpenedFile extends Opened {
  readonly write: (text: string) => Promise<void>;
  readonly reloads: number[];
  readonly broken: string[];
}

/** Stores nothing: the history of keys is tested on databases. */
const noMemory = { take: async () => [] };

async function openFile(tenants: readonly object[], keys: FileRegistryOptions['keys'] = noMemory): Promise<OpenedFile> {
  const folder = await mkdtemp(join(tmpdir(), 'registry-'));
  const file = join(folder, 'tenants.yaml');
  const write = async (text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  await write(stringify({ tenants }));
  const reloads: number[] = [];
  const broken: string[] = [];
  const registry = await openFileRegistry({
    file,
    hosts,
    keys,
    obstacles: { compact: 'no copies' },
    lastChecks: async () => new Map(),
    pollMs: 10,
    onReload: (count) => reloads.push(count),
    onBrokenEdit: (error) => broken.push(error.message),
  });
  return {
    registry,
    write,
    reloads,
    broken,
    store: (changed) => write(stringify({ tenants: changed })),
    [Symbol.asyncDispose]: async () => {
      await registry.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Opens tenants of a database that another registry changes. */
async function openSql(create: (typeof DATABASES)[number][1], tenants: readonly object[]): Promise<Opened> {
  const database = await create();
  const writer = await database.openRegistry();
  await replaceAll(writer, tenants);
  return {
    registry: await database.openRegistry(),
    store: (wanted) => replaceAll(writer, wanted),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

const KEY = { vaultUrl: 'https://contoso-kv.vault.azure.net', use: 'data' };
const named = (...ids: readonly string[]) => ids.map((id) => record({ id }));

/** Behaviour of every registry. */
describe.each([
  ['file', openFile as (tenants: readonly object[]) => Promise<Opened>],
  ...DATABASES.map(([name, create]) => [name, (tenants: readonly object[]) => openSql(create, tenants)] as const),
] as const)('%s tenant registry', (_name, open) => {
  test('get returns a registered tenant with its defaults', async () => {
    await using opened = await open(named('contoso'));
    expect(await opened.registry.get('contoso')).toMatchObject({
      id: 'contoso',
      state: 'active',
      origin: 'required',
      retiredKeys: [],
      requiredContext: [],
    });
  });

  test('get of an unknown tenant rejects with tenant-not-found', async () => {
    await using opened = await open(named('contoso'));
    for (const id of ['nobody', 'constructor', '__proto__', '']) {
      await expect(opened.registry.get(id)).rejects.toMatchObject({ code: 'tenant-not-found' });
    }
  });

  test('list returns every tenant once, ordered by id, page by page', async () => {
    await using opened = await open(named('d', 'a', 'c', 'e', 'b'));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await opened.registry.list(2, cursor);
      seen.push(...page.tenants.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('list continues after a cursor whose tenant was removed, and ends without one', async () => {
    await using opened = await open(named('a', 'b', 'd'));
    expect((await opened.registry.list(10, 'c')).tenants.map(({ id }) => id)).toEqual(['d']);
    expect(await opened.registry.list(3)).not.toHaveProperty('nextCursor');
    expect(await opened.registry.list(10, 'z')).toEqual({ tenants: [] });
  });

  test('a change takes effect with a new revision, and only for the changed tenant', async () => {
    await using opened = await open(named('a', 'b'));
    const before = await Promise.all([opened.registry.get('a'), opened.registry.get('b')]);
    await opened.store([record({ id: 'a', displayName: 'Changed' }), record({ id: 'b' })]);
    await until(async () => (await opened.registry.get('a')).displayName === 'Changed');
    expect((await opened.registry.get('a')).revision).not.toBe(before[0].revision);
    expect((await opened.registry.get('b')).revision).toBe(before[1].revision);
  });

  test('orders ids by their characters, not by a language', async () => {
    await using opened = await open(
      ['a-c', 'ab', 'a1', 'a--b', 'a', '-a', '0'].map((id) =>
        record({ id, keys: { data: { ...KEY, name: `data-${id}` } } }),
      ),
    );
    const { tenants } = await opened.registry.list(10);
    expect(tenants.map(({ id }) => id)).toEqual(['-a', '0', 'a', 'a--b', 'a-c', 'a1', 'ab']);
  });

  test('reports the changed tenant', async () => {
    await using opened = await open(named('a', 'b'));
    const told: (string | undefined)[] = [];
    opened.registry.onChange((tenantId) => told.push(tenantId));
    await opened.store([record({ id: 'a', displayName: 'Changed' }), record({ id: 'b' })]);
    await until(() => told.length > 0);
    expect([undefined, 'a']).toContain(told[0]);
  });

  test('a removed tenant is not found any more', async () => {
    await using opened = await open(named('a', 'b'));
    await opened.store(named('b'));
    await until(() =>
      Promise.try(() => opened.registry.get('a')).then(
        () => false,
        () => true,
      ),
    );
    expect((await opened.registry.list(10)).tenants.map(({ id }) => id)).toEqual(['b']);
  });
});

describe('the file registry', () => {
  test('keeps the last good list after a broken edit, reports it once, and accepts the corrected one', async () => {
    await using opened = await openFile(named('contoso'));
    await opened.write('tenants: [');
    await until(() => opened.broken.length > 0);
    expect(opened.registry.trouble()).toBeDefined();
    expect((await opened.registry.get('contoso')).id).toBe('contoso');
    await opened.store([record({ id: 'BAD' })]);
    await until(() => opened.broken.length > 1);
    expect(opened.broken[1]).toContain('/tenants/0/id');
    await opened.store(named('fabrikam'));
    await until(() => opened.reloads.length > 0);
    expect(opened.registry.trouble()).toBeUndefined();
    expect((await opened.registry.get('fabrikam')).id).toBe('fabrikam');
    expect(opened.broken).toHaveLength(2);
  });

  test('reports the age of its list, from a broken edit to the corrected one', async () => {
    await using opened = await openFile(named('contoso'));
    await opened.write('tenants: [');
    await until(() => opened.registry.staleMs() > 300);
    expect(opened.broken).toHaveLength(1);
    await opened.store(named('contoso', 'fabrikam'));
    await until(() => opened.registry.staleMs() < 300);
    // A file that is replaced between its stamp and its reading is read twice.
    expect(new Set(opened.reloads)).toEqual(new Set([2]));
  });

  test('reports the tenants that an edit has changed, added or removed', async () => {
    await using opened = await openFile(named('a', 'b', 'c'));
    const told: (string | undefined)[] = [];
    opened.registry.onChange((id) => told.push(id));
    await opened.store([record({ id: 'a' }), record({ id: 'b', displayName: 'Changed' }), record({ id: 'd' })]);
    await until(() => opened.reloads.length > 0);
    expect(told.toSorted()).toEqual(['b', 'c', 'd']);
  });

  test('survives the removal of its file', async () => {
    await using opened = await openFile(named('contoso'));
    const list = stringify({ tenants: named('contoso') });
    await opened.write(list);
    await opened.write('');
    await until(() => opened.registry.trouble() !== undefined);
    await opened.write(list);
    await until(() => opened.registry.trouble() === undefined);
    expect((await opened.registry.get('contoso')).id).toBe('contoso');
  });

  test.each(DATABASES)(
    'keeps the last good list after an edit that gives a key another use or tenant, as %s remembers',
    async (_name, create) => {
      await using database = await create();
      const keys = keyRegister(await database.open());
      const vaultUrl = 'https://shared-kv.vault.azure.net';
      const data = { vaultUrl: 'https://other-kv.vault.azure.net', name: 'data', use: 'data' };
      await using opened = await openFile(
        [record({ id: 'a', keys: { data, w: { vaultUrl, name: 'w', use: 'wrap' } } })],
        keys,
      );
      await opened.store([record({ id: 'a', keys: { data } })]);
      await until(() => opened.reloads.length >= 1);
      await opened.store([
        record({ id: 'a', keys: { data, x: { vaultUrl: `${vaultUrl}/`, name: 'W', use: 'data' } } }),
      ]);
      await until(() => opened.broken.length >= 1);
      await opened.store([
        record({ id: 'a', keys: { data } }),
        record({ id: 'b', keys: { data: { vaultUrl, name: 'w', use: 'data' } } }),
      ]);
      await until(() => opened.broken.length >= 2);
      expect(opened.broken).toEqual([
        expect.stringMatching(/yaml: a\/keys\/x: .*\(key-use\)/),
        expect.stringMatching(/yaml: b\/keys\/data: .*\(key-taken\)/),
      ]);
      await expect(opened.registry.get('b')).rejects.toMatchObject({ code: 'tenant-not-found' });
      const again = [record({ id: 'a', keys: { data, w: { vaultUrl, name: 'W', use: 'wrap' } } })];
      await opened.store(again);
      await until(() => opened.reloads.length >= 2);
    },
  );

  test('accepts JSON too', async () => {
    await using opened = await openFile([]);
    await opened.write(JSON.stringify({ tenants: named('contoso') }));
    await until(() => opened.reloads.length > 0);
    expect((await opened.registry.get('contoso')).id).toBe('contoso');
  });

  test('does not open with a missing or invalid file', async () => {
    const handlers = { onReload: () => undefined, onBrokenEdit: () => undefined };
    const options = { hosts, keys: noMemory, obstacles: {}, lastChecks: async () => new Map(), ...handlers };
    await expect(openFileRegistry({ ...options, file: join(tmpdir(), 'no-such-file.yaml') })).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});
