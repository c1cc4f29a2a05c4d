import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePorts } from '../support/free-ports.ts';
import { runCli } from '../support/run-cli.ts';
import { until } from '../support/until.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-cli-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const COMMANDS = [
  'serve',
  'dev',
  'init',
  'check-config',
  'migrate',
  'tenants',
  'branch-keys',
  'indexes',
  'check',
  'onboard',
  'audit',
  'log',
  'health',
  'token',
  'encrypt-file',
  'decrypt-file',
  'rewrap-file',
];

/** Ports of the service, the control listener, Entra and five vaults. */
const PORTS = 8;

async function ready(run: ReturnType<typeof runCli>): Promise<void> {
  await until(() => run.out().includes('Stop with Ctrl-C') || run.err() !== '', 'the welcome');
  expect([run.out().includes('Stop with Ctrl-C'), run.err()]).toEqual([true, '']);
}

describe('the command line', () => {
  test('lists its commands, and each prints its usage', async () => {
    const overview = runCli(['--help'], { cwd: folder });
    expect(await overview.exitCode).toBe(0);
    for (const name of COMMANDS) {
      expect(overview.out()).toContain(`\n  ${name} `);
      const help = runCli([name, '--help'], { cwd: folder });
      expect(await help.exitCode).toBe(0);
      expect(help.out()).toContain(`Usage: vaultspan ${name}`);
    }
  });

  test('called without a command, with an unknown one or an unknown option, exits 2 and names the next step', async () => {
    expect(await runCli([], { cwd: folder }).exitCode).toBe(2);
    for (const args of [['nope'], ['constructor'], ['serve', '--nope'], ['token', 'extra']]) {
      const run = runCli(args, { cwd: folder });
      expect(await run.exitCode).toBe(2);
      expect(run.err()).toContain('--help');
    }
  });

  test('serve without a configuration reports the missing settings, exits 2 and starts nothing', async () => {
    const run = runCli(['serve'], { cwd: folder });
    expect(await run.exitCode).toBe(2);
    for (const part of ['no configuration file', 'callers: is missing', 'home: is missing']) {
      expect(run.err()).toContain(part);
    }
    expect(run.out()).toBe('');
  });

  test.each(['encrypt-file', 'decrypt-file', 'rewrap-file'])(
    '%s sends no token over plain HTTP to another machine',
    async (command) => {
      const run = runCli([command, 'scan', '--tenant', 'contoso', '--url', 'http://vaultspan.example:8080'], {
        cwd: tmpdir(),
        env: { VAULTSPAN_TOKEN: 'sesame' },
      });
      expect(await run.exitCode).toBe(2);
      expect(run.err()).toContain('plain HTTP to another machine');
      expect(run.err()).not.toContain('sesame');
    },
  );

  test('token before the first dev reports that', async () => {
    const run = runCli(['token'], { cwd: folder });
    expect(await run.exitCode).toBe(2);
    expect(run.err()).toContain('start vaultspan dev first');
  });
});

describe('dev', () => {
  // All tests use one emulator's addresses: the SDK keeps a managed identity's tokens for the whole
  // process.
  let args: string[];
  let url: string;
  let controlPort: number;
  beforeAll(async () => {
    const first = await freePorts(PORTS);
    const [port, emulatorPort] = [String(first), String(first + 2)]; // the control listener's port precedes the emulator's others
    args = ['dev', '--port', port, '--emulator-port', emulatorPort, '--log-level', 'silent'];
    url = `http://127.0.0.1:${port}`;
    controlPort = Number(emulatorPort) - 1;
  });

  test("works as its welcome shows, and again with yesterday's ciphertext after a restart", async () => {
    const post = async (path: string, body: object, bearer: string) => {
      const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${bearer}` };
      const response = await fetch(`${url}/tenants/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const tokenAs = async (...as: string[]) => {
      const run = runCli(['token', ...as], { cwd: folder });
      expect([await run.exitCode, run.err()]).toEqual([0, '']);
      return run.out().trim();
    };

    const first = runCli(args, { cwd: folder });
    await ready(first);
    const token = await tokenAs();
    const sealed = await post('contoso/encrypt', { plaintext: 'aGVsbG8=' }, token);
    expect(sealed.status).toBe(200);
    expect((await post('northwind/encrypt', { plaintext: '' }, token)).body).toMatchObject({
      code: 'access-revoked',
      reason: 'role-missing',
      fix: { owner: 'resource-owner' },
    });
    expect((await post('adatum/encrypt', { plaintext: '' }, token)).body).toMatchObject({
      code: 'access-revoked',
      reason: 'app-absent',
      fix: { owner: 'customer-admin' },
    });
    await until(async () => {
      const { status, body } = await post('contoso/indexes/email/tokens', { values: ['YW5uQGV4YW1wbGUub3Jn'] }, token);
      return status === 200 && (body as { readonly search: readonly unknown[] }).search.length === 1;
    });
    const reader = await tokenAs('--as', 'reader');
    expect((await post('contoso/encrypt', { plaintext: '' }, reader)).body).toMatchObject({ code: 'grant-missing' });

    const config = runCli(['check-config', '--online'], { cwd: folder });
    expect(await config.exitCode).toBe(0);
    expect(config.out()).toContain('vaultspan.db (SQLite)');
    expect(config.out()).toMatch(/^audit {7}\S+, and from there to SQLite; durability write, kept for ever$/m);
    expect(config.out()).toMatch(/^metrics {5}off$/m);
    expect(config.out()).toMatch(
      /credential {2}client-secret vaultspan-client-secret\n +version [0-9a-f]{32}: expires \d{4}-/,
    );
    const [, issuer = ''] = /^callers {5}(\S+)$/m.exec(config.out()) ?? [];
    expect(config.out()).toContain(`issuer      ${issuer}: keys read\n`);
    const VAULTSPAN_CALLERS = JSON.stringify([{ issuer: `${issuer}/`, audience: ['api'] }]);
    const other = runCli(['check-config', '--online'], {
      cwd: folder,
      env: { VAULTSPAN_CALLERS, VAULTSPAN_CONSOLE_ENABLED: 'false' }, // its sign-in is not of these callers
    });
    expect(await other.exitCode).toBe(1);
    expect(other.out()).toContain(
      `${issuer}/: its discovery document names the issuer ${issuer}, which its tokens will contain`,
    );
    const unknown = runCli(['token', '--as', 'nobody'], { cwd: folder });
    expect(await unknown.exitCode).toBe(2);
    expect(unknown.err()).toContain('demo, reader');
    const serve = runCli(['serve'], { cwd: folder });
    expect(await serve.exitCode).toBe(2);
    expect(serve.err()).toContain('serve runs against real Azure');
    const init = runCli(['init'], { cwd: folder });
    expect(await init.exitCode).toBe(0);
    expect(init.out()).toContain('vaultspan-origin-key: already exists');

    const compact = await post('contoso/encrypt', { plaintext: 'aGVsbG8=', key: 'compact' }, token);
    expect(String(compact.body['ciphertext'])).toHaveLength(129);
    const lease = await post('contoso/leases', { key: 'compact' }, token);
    expect(lease).toMatchObject({ status: 200, body: { maxMessages: 16_777_216 } });
    expect(await readdir(join(folder, '.vaultspan', 'copies'))).toHaveLength(1);
    const enable = async (...more: string[]) => {
      const run = runCli(['branch-keys', 'enable', ...more], { cwd: folder });
      return { exitCode: await run.exitCode, text: run.out() + run.err() };
    };
    expect(await enable()).toMatchObject({ exitCode: 0, text: expect.stringContaining('already is') });
    const otherDatabase = '00000000-0000-4000-8000-000000000000';
    const secret = { vault: 'home', name: 'vaultspan-branch-database', value: otherDatabase };
    await fetch(`http://127.0.0.1:${controlPort}/set-secret`, { method: 'POST', body: JSON.stringify(secret) });
    expect(await enable()).toMatchObject({ exitCode: 1, text: expect.stringContaining(`--replace ${otherDatabase}`) });
    expect(await enable('--replace', otherDatabase)).toMatchObject({
      exitCode: 0,
      text: expect.stringContaining('is now'),
    });
    const noCopies = runCli(['branch-keys', 'enable'], { cwd: folder, env: { VAULTSPAN_BRANCH_KEYS_COPIES: 'all' } });
    expect([await noCopies.exitCode, noCopies.err()]).toEqual([
      2,
      expect.stringContaining('must be {directory: PATH}, export or none'),
    ]);

    const taken = runCli(args, { cwd: folder });
    expect(await taken.exitCode).toBe(2);
    expect(taken.err()).toMatch(/vaultspan dev is already running in \S+, on port \d+: stop it first/);
    const reset = runCli([...args, '--reset'], { cwd: folder });
    expect(await reset.exitCode).toBe(2);
    const elsewhere = await mkdtemp(join(tmpdir(), 'vaultspan-cli-'));
    const neighbour = runCli(args, { cwd: elsewhere });
    expect(await neighbour.exitCode).toBe(1);
    expect(neighbour.err()).toMatch(/port/i);

    first.stop();
    expect(await first.exitCode).toBe(0);
    const moved = runCli(['dev', '--emulator-port', '39443'], { cwd: folder });
    expect(await moved.exitCode).toBe(2);
    expect(moved.err()).toMatch(
      /was created with --emulator-port \d+: use the same port, or delete the state with --reset/,
    );
    const second = runCli(args, { cwd: folder });
    await ready(second);
    const opened = await post('contoso/decrypt', { ciphertext: sealed.body['ciphertext'] }, await tokenAs());
    expect([opened.status, opened.body['plaintext']]).toEqual([200, 'aGVsbG8=']);
    const { ciphertext } = compact.body;
    expect((await post('contoso/decrypt', { ciphertext }, await tokenAs())).body['plaintext']).toBe('aGVsbG8=');
    second.stop();
    expect(await second.exitCode).toBe(0);

    const verify = runCli(['audit', 'verify'], { cwd: folder });
    expect([await verify.exitCode, verify.err()]).toEqual([0, '']);
  });

  test('shares its tenants with the commands used with it', async () => {
    const service = runCli(args, { cwd: folder });
    await ready(service);
    const tools = async (...command: string[]) => {
      const run = runCli(command, { cwd: folder });
      return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
    };
    const checkOf = async (tenant: string) => tools('check', tenant);
    const order = (action: string, body: object) =>
      fetch(`http://127.0.0.1:${controlPort}/${action}`, { method: 'POST', body: JSON.stringify(body) });
    /** The vault holds the last step back until the steps before it have been seen. */
    const printsEachStepAtItsEnd = async () => {
      const fault = { at: 'fabrikam', operation: 'unwrapKey', kind: 'delay', delayMs: 600_000 };
      await order('inject-fault', fault);
      const check = runCli(['check', 'fabrikam'], { cwd: folder });
      await until(() => check.out().includes('✓ wrap with data'), 'the step before the last');
      expect(check.out()).toMatch(/✓ wrap with data .*\n$/);
      await order('clear-faults', {});
      expect([await check.exitCode, check.out()]).toEqual([0, expect.stringMatching(/fabrikam: passed\n$/)]);
    };
    expect((await tools('tenants', 'list')).out).toMatch(/^adatum .*\ncontoso .*\nfabrikam .*\nnorthwind /);

    const steps = await tools('onboard', 'northwind');
    expect(steps.out).toContain('az role assignment create');
    expect((await tools('onboard', 'northwind', '--script')).out).toMatch(/^#!\/usr\/bin\/env bash/);
    const before = await checkOf('northwind');
    expect(before.exitCode).toBe(1);
    expect(before.out).toMatch(/^northwind\n {2}✓ configuration .*\n(?: {2}.*\n)+northwind: failed\n$/);
    expect(before.out).toContain('✗ key data');
    expect(before.out).toContain('resource-owner');
    const grant = { vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' };
    await fetch(`http://127.0.0.1:${controlPort}/grant-role`, { method: 'POST', body: JSON.stringify(grant) });
    const after = await tools('check', 'northwind', '--wait', '30s');
    expect([after.exitCode, after.out]).toEqual([0, expect.stringContaining('northwind: passed')]);
    const asJson = await tools('check', 'northwind', '--json');
    expect(JSON.parse(asJson.out)).toMatchObject({ tenantId: 'northwind', state: 'passed', tenantState: 'active' });
    await printsEachStepAtItsEnd();

    const email = (action: string, ...more: string[]) => tools('indexes', action, 'contoso', 'email', ...more);
    expect(await email('show')).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^email 1: written, .*\n$/) });
    const rotated = await email('rotate');
    expect([rotated.exitCode, rotated.err, rotated.out]).toEqual([
      0,
      '',
      expect.stringMatching(/^email 2: written, /m),
    ]);
    const unconfirmed = await email('retire', '1');
    expect([unconfirmed.exitCode, unconfirmed.err]).toEqual([2, expect.stringContaining('--yes email')]);
    expect((await email('retire', '2', '--yes', 'email')).exitCode).toBe(1);
    expect((await email('retire', 'x', '--yes', 'email')).exitCode).toBe(2);
    const retired = await email('retire', '1', '--yes', 'email');
    expect([retired.exitCode, retired.out]).toEqual([0, expect.stringMatching(/^email 1: retired, /)]);
    expect((await tools('indexes', 'show', 'fabrikam', 'email')).exitCode).toBe(1);

    const token = runCli(['token'], { cwd: folder });
    await token.exitCode;
    const encrypt = () =>
      fetch(`${url}/tenants/fabrikam/encrypt`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token.out().trim()}` },
        body: '{"plaintext":""}',
      });
    expect((await encrypt()).status).toBe(200);
    expect((await tools('tenants', 'suspend', 'fabrikam')).exitCode).toBe(0);
    await until(async () => (await encrypt()).status === 403, 'the suspension');
    expect((await tools('tenants', 'resume', 'fabrikam')).exitCode).toBe(0);

    const exported = await tools('tenants', 'export');
    await writeFile(join(folder, 'tenants.yaml'), exported.out);
    expect((await tools('tenants', 'import', 'tenants.yaml')).out).toBe(
      '0 created, 0 replaced, 4 unchanged, 0 failed\n',
    );
    await writeFile(join(folder, 'tenants.yaml'), exported.out.replace('displayName: Contoso', 'displayName: Changed'));
    expect((await tools('tenants', 'import', 'tenants.yaml', '--dry-run')).out).toContain(
      'would be: 0 created, 1 replaced',
    );
    expect((await tools('tenants', 'import', 'tenants.yaml')).out).toContain('0 created, 1 replaced, 3 unchanged');
    await writeFile(join(folder, 'tenants.yaml'), exported.out.replace('id: contoso', 'id: CONTOSO'));
    const wrong = await tools('tenants', 'import', 'tenants.yaml');
    expect([wrong.exitCode, wrong.err]).toEqual([2, expect.stringContaining('/tenants/1/id: must be 1 to 64')]);
    const [adatum = ''] = (await tools('tenants', 'list', '--json')).out.split('\n');
    const key = `${JSON.parse(adatum).keys.data.vaultUrl}/keys/data`;
    const early = await tools('tenants', 'forget-key', 'adatum', key);
    expect([early.exitCode, early.err]).toEqual([1, expect.stringContaining('key-use, in-record')]);
    expect((await tools('tenants', 'forget-key', 'adatum')).err).toContain('forget-key TENANT KEY');
    const active = await tools('tenants', 'remove', 'adatum', '--yes', 'adatum');
    expect([active.exitCode, active.err]).toEqual([1, expect.stringContaining('not-suspended')]);
    expect((await tools('tenants', 'suspend', 'adatum')).exitCode).toBe(0);
    const unsure = await tools('tenants', 'remove', 'adatum', '--yes', 'contoso');
    expect([unsure.exitCode, unsure.err]).toEqual([2, expect.stringContaining('--yes adatum')]);
    expect((await checkOf('adatum')).out).toMatch(/^adatum: failed; suspended/m);
    expect((await tools('tenants', 'remove', 'adatum', '--yes', 'adatum')).exitCode).toBe(0);
    expect((await tools('tenants', 'restore', 'adatum')).out).toContain('adatum: restored and suspended');
    expect((await tools('tenants', 'list')).out).toMatch(/^adatum +suspended +unchecked /);
    expect((await tools('tenants', 'remove', 'adatum', '--yes', 'adatum')).exitCode).toBe(0);
    const past = (await tools('tenants', 'history', 'adatum')).out;
    expect([...past.matchAll(/Z {2}(\w+) by/g)].map(([, action]) => action)).toEqual([
      'removed',
      'restored',
      'removed',
      'suspended',
      'created',
    ]);
    const forgotten = await tools('tenants', 'forget-key', 'adatum', key.replace('/keys/data', '/keys/DATA'));
    expect([forgotten.exitCode, forgotten.out]).toEqual([0, expect.stringContaining(': forgotten')]);
    expect((await tools('tenants', 'forget-key', 'adatum', key)).err).toContain('unknown-key');
    expect((await tools('tenants', 'show', 'adatum')).err).toContain('tenant-not-found');
    const history = (await tools('tenants', 'history', 'contoso')).out;
    expect(history).toMatch(/^\S+Z {2}replaced by cli:tester, revision 2\n/m);
    expect(history).toMatch(/^\S+Z {2}created by dev, revision 1\n/m);
    expect(history.indexOf('replaced')).toBeLessThan(history.indexOf('created'));
    const [removed] = (await tools('tenants', 'history', 'adatum', '--json')).out.split('\n');
    expect(JSON.parse(removed ?? '')).toMatchObject({ action: 'removed', by: 'cli:tester', record: { id: 'adatum' } });
    expect((await tools('tenants', 'history', 'nobody')).err).toContain('tenant-not-found');
    expect((await tools('migrate')).out).toBe('The database is up to date\n');
    service.stop();
    expect(await service.exitCode).toBe(0);
  });
});
