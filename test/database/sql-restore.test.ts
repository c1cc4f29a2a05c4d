import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { migrate } from '../../src/database/migrations/migrations.ts';
import { input, newPostgres } from '../support/sql-databases.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

/** The commands of docs/backup.md. */
test('a registry that was dumped and restored is unchanged, and running processes notice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dump-'));
  await using database = await newPostgres();
  const url = 'url' in database.options ? database.options.url : '';
  const registry = await database.openRegistry();
  const shared = { vaultUrl: 'https://shared-kv.vault.azure.net', name: 'data', use: 'data' };
  await registry.put(input({ id: 'kept', keys: { data: shared } }), undefined, 'ann');
  await registry.put(input({ id: 'gone', keys: { data: { ...shared, name: 'former' } } }), undefined, 'ann');
  await registry.remove('gone', '1', 'ann');

  const file = join(folder, 'registry.dump');
  await run('pg_dump', ['--format=custom', `--file=${file}`, url]);
  await registry.put(input({ id: 'kept', keys: { data: shared }, displayName: 'After the dump' }), '1', 'ann');
  await registry.put(input({ id: 'late' }), undefined, 'ann');
  await run('pg_restore', ['--clean', '--if-exists', '--single-transaction', '--no-owner', `--dbname=${url}`, file]);

  expect(await migrate(database.options)).toEqual([]);
  const restored = await database.openRegistry();
  expect(await restored.get('kept')).toMatchObject({ revision: '1' });
  await expect(restored.get('late')).rejects.toMatchObject({ code: 'tenant-not-found' });
  // An id and a key that were used before the dump stay so.
  await expect(restored.put(input({ id: 'gone' }), undefined, 'ann')).rejects.toMatchObject({ code: 'tenant-exists' });
  const thief = input({ id: 'thief', keys: { data: { ...shared, name: 'former' } } });
  await expect(restored.put(thief, undefined, 'ann')).rejects.toMatchObject({ code: 'key-taken' });
  // The process that ran during the restore drops its cache.
  await restored.put(input({ id: 'news' }), undefined, 'ann');
  await until(async () => (await registry.get('kept')).revision === '1');
  await rm(folder, { recursive: true });
});
