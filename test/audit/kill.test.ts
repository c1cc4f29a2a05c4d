import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { settingsFor } from '../support/config.ts';
import { ALL_ROLES, tenantsOf } from '../support/start-service.ts';

const SCRIPT = join(import.meta.dirname, '..', 'support', 'service-process.ts');
const CLIENTS = 16;
const ENOUGH = 600;

/** Starts an emulated Azure, and the service in a process of its own with small audit files. */
async function startProcess() {
  const folder = await mkdtemp(join(tmpdir(), 'killed-'));
  const emulator = await startEmulator({ firstPort: 0 });
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  const directory = join(folder, 'audit');
  const config = { ...settingsFor(emulator, folder), audit: { directory, maxFileBytes: 64 * 1024 } };
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  await writeFile(join(folder, 'tenants.json'), JSON.stringify(tenantsOf(emulator)));
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const child = spawn(process.execPath, [SCRIPT, join(folder, 'config.json')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    child,
    directory,
    url: line.toString().trim(),
    token: await emulator.issueCallerToken({ roles: ALL_ROLES }),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await emulator.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test('after kill -9 under load each answered operation is in the log, and the next process continues it', async () => {
  await using service = await startProcess();
  const { child, directory } = service;
  const answered: string[] = [];
  const headers = { Authorization: `Bearer ${service.token}`, 'Content-Type': 'application/json' };
  const client = async () => {
    for (;;) {
      // Every answer is a recorded operation, even a refusal.
      const path = `${service.url}/tenants/${answered.length % 9 === 0 ? 'nobody' : 'contoso'}/encrypt`;
      const response = await fetch(path, { method: 'POST', headers, body: '{"plaintext":"aGk="}' });
      answered.push(response.headers.get('x-request-id') ?? '');
      await response.arrayBuffer();
      if (answered.length >= ENOUGH) child.kill('SIGKILL');
    }
  };
  await Promise.allSettled(Array.from({ length: CLIENTS }, client)); // each ends with its connection
  expect(child.signalCode ?? (await once(child, 'exit'))[1]).toBe('SIGKILL');

  const files = (await readdir(directory)).sort();
  expect(files.length).toBeGreaterThan(3);
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')));
  const lines = texts.flatMap((text) => text.split('\n').slice(0, -1));
  const recorded = new Set(lines.map((line) => (JSON.parse(line) as { readonly requestId?: string }).requestId));
  expect(answered.length).toBeGreaterThanOrEqual(ENOUGH);
  expect(answered.filter((id) => !recorded.has(id))).toEqual([]);
  expect(texts.slice(0, -1).every((text) => text.endsWith('\n'))).toBe(true);

  const next = await openFileSink({ directory });
  await next.close();
  const [killed, following] = await verifyDirectories([directory]);
  expect(killed).toMatchObject({ records: lines.length, closed: false, files: files.length });
  expect([undefined, 'torn']).toContain(killed?.firstBad?.problem);
  expect(following).toMatchObject({ records: 2, closed: true });
  expect(following).not.toHaveProperty('badLink');
});
