import { type ChildProcess, spawn } from 'node:child_process';
import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import supertest from 'supertest';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { bellTable } from '../../src/database/tables/revocations.ts';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import { bellDigest, bellOf } from '../../src/tenants/bells.ts';
import { settingsFor } from '../support/config.ts';
import { DATABASES, type TestDatabase } from '../support/sql-databases.ts';
import { ALL_ROLES } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let emulator: Emulator;
let folder: string;
let token: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'processes-'));
  emulator = await startEmulator({ firstPort: 0 });
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  token = await emulator.issueCallerToken({ roles: ALL_ROLES });
});
afterAll(async () => {
  await emulator.close();
  await rm(folder, { recursive: true, force: true });
});

interface RunningProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  send(method: 'get' | 'put' | 'post', path: string, body?: object): supertest.Test;
}

let started = 0;

async function start({ options }: TestDatabase, rounds: object = { enabled: false }): Promise<RunningProcess> {
  started += 1;
  const file = join(folder, `config-${started}.json`);
  await writeFile(file, JSON.stringify(configOn(options, rounds)));
  const script = join(import.meta.dirname, '..', 'support', 'service-process.ts');
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const agent = supertest(line.toString().trim());
  return {
    child,
    send: (method, path, body) => {
      const request = agent[method](path).set('Authorization', `Bearer ${token}`);
      return body ? request.set('Content-Type', 'application/json').send(JSON.stringify(body)) : request;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    },
  };
}

const configOn = (database: object, rounds: object) => ({
  ...settingsFor(emulator, folder),
  registry: {},
  database,
  rounds,
});

const contoso = () => {
  const { tenantId = '', vaultUrl = '' } = emulator.customers.find(({ name }) => name === 'contoso') ?? {};
  return { entraTenantId: tenantId, keys: { data: { vaultUrl, name: 'data', use: 'data' } }, defaultKey: 'data' };
};

describe.each(DATABASES)('two processes on one %s', (_name, create) => {
  test("share each other's changes, above all a suspension", async () => {
    await using database = await create();
    await using one = await start(database);
    await using other = await start(database);
    expect((await one.send('put', '/tenants/contoso', contoso())).status).toBe(200);
    await until(async () => (await other.send('get', '/tenants/contoso')).status === 200);
    const sealed = await one.send('post', '/tenants/contoso/encrypt', { plaintext: 'aGk=' });
    const { ciphertext } = sealed.body as { readonly ciphertext: string };
    const decrypt = () => other.send('post', '/tenants/contoso/decrypt', { ciphertext });
    expect((await decrypt()).body).toMatchObject({ plaintext: 'aGk=' });
    await one.send('post', '/tenants/contoso/suspend');
    await until(async () => (await decrypt()).body.code === 'tenant-suspended');
    await other.send('post', '/tenants/contoso/resume');
    await until(async () => (await one.send('post', '/tenants/contoso/encrypt', { plaintext: '' })).status === 200);
  });

  test('both ask the vault at once when a doorbell rings at one of them', async () => {
    await using database = await create();
    await using one = await start(database);
    const sql = await database.open();
    const bell = bellOf(createSecretKey(Buffer.alloc(32, 7)), 'contoso', 0);
    await bellTable({ database: sql, origin: 'test' }).put('contoso', 0, bellDigest(bell) ?? '');
    await one.send('put', '/tenants/contoso', contoso());
    // Started now, it has no change to follow: that of the record would drop its keys too, up to a second later.
    await using other = await start(database);
    const { ciphertext } = (await one.send('post', '/tenants/contoso/encrypt', { plaintext: 'aGk=' })).body;
    const both = () =>
      Promise.all([one, other].map((process) => process.send('post', '/tenants/contoso/decrypt', { ciphertext })));
    const codes = async () => (await both()).map(({ body }) => body.code ?? 'ok');
    expect(await codes()).toEqual(['ok', 'ok']);
    await emulator.control.disableKey({ vault: 'contoso', key: 'data' });
    try {
      expect((await one.send('post', `/doorbell/${'A'.repeat(43)}`)).status).toBe(202);
      expect(await codes()).toEqual(['ok', 'ok']); // within the bound of 5 minutes
      const rung = await one.send('post', `/doorbell/${bell}`);
      expect([rung.status, rung.text]).toEqual([202, '']);
      await until(async () => (await codes()).join() === 'access-revoked,access-revoked');
    } finally {
      await emulator.control.enableKey({ vault: 'contoso', key: 'data' });
    }
  });

  test('lose no visit when one is killed during it', async () => {
    await using database = await create();
    const rounds = { enabled: true };
    const sql = await database.open();
    const lease = () =>
      sql.read((db) => db.selectFrom('tenant_checks').select(['lease_owner', 'last_check']).executeTakeFirst());
    await emulator.control.injectFault({ at: 'contoso', kind: 'hang' });
    const dying = await start(database, rounds);
    await dying.send('put', '/tenants/contoso', contoso());
    await until(async () => (await lease())?.lease_owner != null);
    dying.child.kill('SIGKILL');
    await once(dying.child, 'exit');
    await emulator.control.clearFaults();
    expect((await lease())?.last_check).toBeNull();

    await using living = await start(database, rounds);
    await sql.write((trx) => trx.updateTable('tenant_checks').set({ due_at: 0 }).execute()); // as if the lease had ended
    await until(async () => 'lastCheck' in (await living.send('get', '/tenants/contoso')).body);
    const { body } = await living.send('get', '/tenants/contoso');
    expect(body.lastCheck).toMatchObject({ state: 'passed' });
  });
});
