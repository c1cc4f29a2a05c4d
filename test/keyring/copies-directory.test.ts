import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CopiesDirectory } from '../../src/keyring/copies/copies-directory.ts';
import type { LinedKey } from '../../src/keyring/key-line.ts';

const KEY: LinedKey = {
  tenantId: 'contoso',
  kind: 'branch',
  id: 'AAAAAAAAAAA',
  vaultKey: 'https://kv/keys/data',
  label: '2026-11-26T00:00:00Z',
  kid: 'https://kv/keys/data/1',
  jwe: 'a.b.c.d.e',
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copies-'));
});
afterAll(async () => rm(folder, { recursive: true }));

test('a folder of copies that was closed takes no more lines, and opens no file again', async () => {
  const copies = new CopiesDirectory({ directory: folder, processId: '0a1b2c3d', wallMs: () => 0 });
  const writing = copies.append([KEY]);
  await copies.close();
  await writing;
  await expect(copies.append([KEY])).rejects.toThrow('closed');
  const files = await readdir(folder);
  expect(files).toHaveLength(1);
  expect((await readFile(join(folder, String(files[0])), 'utf8')).trim().split('\n')).toHaveLength(1);
});
