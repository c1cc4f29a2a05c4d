import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BranchTable } from '../support/branch-rows.ts';
import { settingsFor } from '../support/config.ts';
import { runCli } from '../support/run-cli.ts';
import { branchKeysIn, startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const NAMES = Array.from({ length: 8 }, (_, at) => `index${at}`);

let service: TestService;
let rewrap: readonly string[];
let table: BranchTable;
beforeAll(async () => {
  service = await startService({
    compact: 'enabled',
    tenant: (record) => ({
      ...record,
      indexes: Object.fromEntries(NAMES.map((name) => [name, {}])),
      dataKeys: { maxMessages: 1 }, // so that each stored key needs its own call of the vault
    }),
  });
  const config = join(service.folder, 'config.json');
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  const settings = settingsFor(service.emulator, service.folder);
  await writeFile(config, JSON.stringify({ ...settings, registry: {}, branchKeys: branchKeysIn(service.folder) }));
  rewrap = ['branch-keys', 'rewrap', 'contoso', '--config', config];
  table = new BranchTable(service.folder);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const post = async (path: string, body: object) =>
  service.post(`/tenants/contoso/${path}`, body, await service.emulator.issueCallerToken());

const tokensOf = async (name: string) => post(`indexes/${name}/tokens`, { values: ['aGVsbG8='] });

test('a rotation whose process is killed leaves whole keys, and the next call moves the rest', async () => {
  await post('check', {});
  for (const name of NAMES) await until(async () => (await tokensOf(name)).status === 200, `the key of ${name}`);
  const tokens = await Promise.all(NAMES.map(async (name) => (await tokensOf(name)).body));
  const { body } = await post('encrypt', { plaintext: 'aGVsbG8=' });
  const before = table.rows();
  expect(before.length).toBeGreaterThan(NAMES.length);
  const [{ kid: old } = { kid: '' }] = before;
  await service.emulator.control.rotateKey({ vault: 'contoso', key: 'data' });
  const moved = () => table.rows().filter(({ kid }) => kid !== old);

  await service.emulator.control.injectFault({ at: 'contoso', operation: 'unwrapKey', kind: 'delay', delayMs: 1_500 });
  const child = spawn(process.execPath, [MAIN, ...rewrap], { cwd: service.folder, stdio: 'ignore' });
  const ended = once(child, 'exit');
  await until(() => moved().length >= 2, 'two keys are moved');
  child.kill('SIGKILL');
  expect(await ended).toEqual([null, 'SIGKILL']);
  await service.emulator.control.clearFaults();
  const left = before.length - moved().length;
  expect(left).toBeGreaterThan(0);
  expect(table.rows().map(({ id, label }) => [id, label])).toEqual(before.map(({ id, label }) => [id, label]));

  const run = runCli([...rewrap], { cwd: service.folder });
  expect(await run.exitCode).toBe(0);
  expect(run.out()).toBe(`contoso: ${left} moved, ${before.length - left} already current, 0 not moved\n`);
  expect(moved()).toHaveLength(before.length);
  const version = old.split('/').at(-1) ?? '';
  await service.emulator.control.disableKey({ vault: 'contoso', key: 'data', version });
  service.clock.advance(301);
  expect(await Promise.all(NAMES.map(async (name) => (await tokensOf(name)).body))).toEqual(tokens);
  expect((await post('decrypt', { ciphertext: body.ciphertext })).body).toMatchObject({ plaintext: 'aGVsbG8=' });
});
