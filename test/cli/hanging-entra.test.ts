import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { bareEnv } from '../support/child-env.ts';
import { settingsFor } from '../support/config.ts';
import { startTrusted } from '../support/emulator-clients.ts';
import { tenantsOf } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
/** A command that still runs then is waiting for Entra. The longest deadline in here is 10 s. */
const LIMIT_MS = 120_000;

let emulator: Emulator;
let folder: string;
beforeAll(async () => {
  emulator = await startTrusted();
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-'));
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key', 'vaultspan-webhook-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  await writeFile(join(folder, 'tenants.json'), JSON.stringify(tenantsOf(emulator)));
  await configure('config.json', 4);
  const tokenEndpoint = `${emulator.authorityHost}/${emulator.homeTenantId}/oauth2/v2.0/token`;
  const callers = Object.fromEntries(
    emulator.callers.map(({ name, clientId, clientSecret, scope }) => [name, { clientId, clientSecret, scope }]),
  );
  await writeFile(join(folder, 'callers.json'), JSON.stringify({ tokenEndpoint, caFile: 'ca.pem', callers }));
});
afterEach(async () => {
  await emulator.control.clearFaults();
  emulator.control.clearRequests();
});
afterAll(async () => {
  await emulator.close();
  await rm(folder, { recursive: true, force: true });
});

const configure = (name: string, deadlineSeconds: number) =>
  writeFile(join(folder, name), JSON.stringify({ ...settingsFor(emulator, folder), vault: { deadlineSeconds } }));

function run(args: readonly string[], signal?: AbortSignal): Promise<{ code: unknown; out: string; err: string }> {
  const options = { cwd: folder, env: bareEnv(), timeout: LIMIT_MS, signal };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], options, (error, out, err) => {
      // A command that was killed has no exit code.
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), out, err });
    });
  });
}

const COMMANDS = [
  ['check', 'contoso', '--config', 'config.json'],
  ['init', '--config', 'config.json'],
  ['check-config', '--online', '--config', 'config.json'],
  ['token', '--callers', 'callers.json'],
] as const;

describe('beside an Entra that hangs', () => {
  test.each(COMMANDS)(
    '%s ends, and names what did not answer',
    async (...args) => {
      expect(await run(args)).toMatchObject({ code: 0, err: '' });
      await emulator.control.injectFault({ at: 'entra', kind: 'hang' });
      const { code, out, err } = await run(args);
      expect(code).toBe(1);
      expect(out + err).toMatch(/The home vault is unreachable or failing|\/token did not answer within 10 s\n/);
      expect(out + err).not.toContain('    at '); // a stack
    },
    2 * LIMIT_MS,
  );

  test(
    'check ends where only the sign-in to the customer’s directory hangs',
    async () => {
      await emulator.control.injectFault({ at: 'entra', operation: 'token', kind: 'hang' });
      const { code, out } = await run(COMMANDS[0]);
      expect(code).toBe(1);
      expect(out).toMatch(
        /^contoso\n(.*\n)* {2}✗ sign-in .*\n {6}identity-unavailable, timeout: (.*\n)*contoso: failed\n$/,
      );
    },
    LIMIT_MS,
  );

  test(
    'check-config --online asks all at once, so that the deadline is one for all',
    async () => {
      await configure('patient.json', 60);
      await emulator.control.injectFault({ at: 'entra', kind: 'hang' });
      const stopping = new AbortController();
      const running = run(['check-config', '--online', '--config', 'patient.json'], stopping.signal);
      const ofEntra = () => emulator.control.requests().filter(({ at }) => at === 'entra');
      const asked = () => new Set(ofEntra().map(({ operation }) => operation));
      await until(() => asked().size > 1, 'the identity’s token and the issuer’s discovery document', LIMIT_MS);
      stopping.abort();
      await running;
    },
    LIMIT_MS,
  );
});

describe('beside a token endpoint', () => {
  test.each([
    ['that is none', { at: 'entra', kind: 'garbage' }, /\/token is no token endpoint: it answered HTTP 200 /],
    ['that resets', { at: 'entra', kind: 'reset' }, /\/token is not reachable \(\w+\)\n$/],
  ] as const)(
    '%s token says so in one line',
    async (_case, fault, told) => {
      await emulator.control.injectFault(fault);
      const { code, out, err } = await run(COMMANDS[3]);
      expect([code, out, err.split('\n').length]).toEqual([1, '', 2]);
      expect(err).toMatch(told);
    },
    LIMIT_MS,
  );
});
