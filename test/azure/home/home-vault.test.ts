import { randomUUID } from 'node:crypto';
import process from 'node:process';
import type { TokenCredential } from '@azure/core-auth';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { HomeVault } from '../../../src/azure/home/home-vault.ts';
import { platformCredential } from '../../../src/azure/home/platform-credential.ts';
import type { Emulator } from '../../../src/emulator/emulator.ts';
import { startTrusted } from '../../support/emulator-clients.ts';
import { TestClock } from '../../support/test-clock.ts';

const ROLE = 'Key Vault Secrets Officer';

const clock = new TestClock();
let emulator: Emulator;
let vault: HomeVault;
let credential: TokenCredential;
beforeAll(async () => {
  emulator = await startTrusted({ now: () => clock.wallMs() });
  const { authorityHost, managedIdentity } = emulator;
  process.env['IDENTITY_ENDPOINT'] = managedIdentity.endpoint;
  process.env['IDENTITY_HEADER'] = managedIdentity.header;
  credential = platformCredential({ identity: 'managed-identity', authorityHost, deadlineMs: 10_000 });
  vault = vaultWith(credential);
});
beforeEach(() => emulator.control.clearRequests());
afterEach(() => emulator.control.clearFaults());
afterAll(() => emulator.close());

const vaultWith = (opener: TokenCredential): HomeVault =>
  new HomeVault({
    vaultUrl: emulator.homeVaultUrl,
    credential: opener,
    unsafeAllowEmulator: true,
    deadlineMs: 10_000,
    clock,
  });

/** Stores a version a second after the previous one: Key Vault's times are in seconds. */
async function store(name: string, value: string, exp?: number): Promise<string> {
  clock.advance(1);
  const { version } = await emulator.control.setSecret({
    vault: 'home',
    name,
    value,
    ...(exp !== undefined && { exp }),
  });
  return version;
}
const inSeconds = (seconds: number) => Math.floor(clock.wallMs() / 1_000) + seconds;
const valuesOf = async (name: string, limit = 2) =>
  (await vault.versions(name, limit)).usable.map(({ value }) => value);
const calls = () =>
  emulator.control
    .requests()
    .filter(({ at }) => at === 'home')
    .map(({ operation }) => operation);

describe('usable versions', () => {
  test('are the newest ones, newest first, at most as many as requested', async () => {
    for (const value of ['first', 'second', 'third']) await store('three', value);
    expect(await valuesOf('three')).toEqual(['third', 'second']);
    expect(await valuesOf('three', 32)).toEqual(['third', 'second', 'first']);
    expect(calls().filter((call) => call === 'getSecret')).toHaveLength(2 + 3);
  });

  test('begin with the current one, also if several were made in one second', async () => {
    const values = Array.from({ length: 8 }, (_, index) => `value ${index}`);
    for (const value of values) await emulator.control.setSecret({ vault: 'home', name: 'quick', value });
    expect(await valuesOf('quick', 1)).toEqual(['value 7']);
    const last = await emulator.control.setSecret({ vault: 'home', name: 'quick', value: 'disabled' });
    await emulator.control.disableSecretVersion({ vault: 'home', name: 'quick', version: last.version });
    expect((await vault.versions('quick', 1)).unusable).toMatchObject([{ version: last.version, reason: 'disabled' }]);
    expect(values).toEqual(expect.arrayContaining(await valuesOf('quick', 1)));
  });

  test('exclude those that have expired, and those that expire during the run', async () => {
    await store('expiring', 'lasting');
    await store('expiring', 'short', inSeconds(60));
    await store('expiring', 'expired', inSeconds(-60));
    expect(await valuesOf('expiring')).toEqual(['short', 'lasting']);
    clock.advance(61);
    expect(await valuesOf('expiring')).toEqual(['lasting']);
  });

  test('exclude those that are disabled', async () => {
    await store('disabled', 'old');
    const version = await store('disabled', 'new');
    await emulator.control.disableSecretVersion({ vault: 'home', name: 'disabled', version });
    expect(await valuesOf('disabled')).toEqual(['old']);
  });

  test('are found on every page of the list', async () => {
    const values = Array.from({ length: 17 }, (_, index) => `value ${index}`);
    for (const value of values) await store('many', value);
    expect(await valuesOf('many')).toEqual(['value 16', 'value 15']);
    expect(calls().filter((call) => call === 'getSecretVersions').length).toBeGreaterThan(1);
  });

  test('of a secret that does not exist are none', async () => {
    expect(await valuesOf('nothing')).toEqual([]);
  });

  test('include one that was added here', async () => {
    await vault.add('added', 'by us', 'text/plain');
    expect(await valuesOf('added')).toEqual(['by us']);
  });
});

describe('a home vault', () => {
  test("that refuses the platform's identity names the role to grant and its scope", async () => {
    await store('refused', 'value');
    await emulator.control.removeRole({ vault: 'home', principal: 'managed-identity' });
    await expect(valuesOf('refused')).rejects.toMatchObject({
      code: 'home-credential-rejected',
      reason: 'home-vault-refused',
      fix: { owner: 'vendor', action: expect.stringContaining('Key Vault Secrets User') },
    });
    await emulator.control.grantRole({ vault: 'home', principal: 'managed-identity', role: ROLE });
    expect(await valuesOf('refused')).toEqual(['value']);
  });

  test('is called once more after a transient failure', async () => {
    await store('transient', 'value');
    await emulator.control.injectFault({ at: 'home', kind: 'status', status: 503, times: 1 });
    expect(await valuesOf('transient')).toEqual(['value']);
  });

  test.each(['status', 'reset', 'hang', 'garbage'] as const)(
    'with a failure of kind %s is an outage of its own',
    async (kind) => {
      await store('trouble', 'value');
      await emulator.control.injectFault({ at: 'home', kind });
      await expect(valuesOf('trouble')).rejects.toMatchObject({ code: 'vault-unavailable', reason: 'home-vault' });
    },
  );

  test('that answers 401 once is called again, and is an outage when it continues', async () => {
    await store('rejecting', 'value');
    const fault = { at: 'home', kind: 'status', status: 401, code: 'AKV10046', operation: 'getSecret' } as const;
    await emulator.control.injectFault({ ...fault, times: 1 });
    expect(await valuesOf('rejecting')).toEqual(['value']);
    await emulator.control.injectFault(fault);
    await expect(valuesOf('rejecting')).rejects.toMatchObject({ code: 'vault-unavailable', reason: 'home-vault' });
  });

  test.each([400, 403, 404])(
    'in whose place another server answers %i is an outage, and not without versions',
    async (status) => {
      await store('elsewhere', 'value');
      await emulator.control.injectFault({ at: 'home', kind: 'garbage', status });
      await expect(valuesOf('elsewhere')).rejects.toMatchObject({ code: 'vault-unavailable', reason: 'home-vault' });
    },
  );

  test('is not reported as refusing if the machine has no such identity', async () => {
    const { authorityHost } = emulator;
    const unknown = { identity: 'managed-identity', managedIdentityClientId: randomUUID() } as const;
    const opener = platformCredential({ ...unknown, authorityHost, deadlineMs: 10_000 });
    await expect(vaultWith(opener).versions('any', 2)).rejects.toMatchObject({
      code: 'home-credential-rejected',
      reason: 'no-platform-identity',
      fix: { owner: 'vendor' },
    });
  });

  test.each([
    ['fails', { kind: 'status', status: 503 }],
    ['throttles', { kind: 'status', status: 429 }],
    ['resets connections', { kind: 'reset' }],
  ] as const)('is not reported as refusing while the endpoint of the identity %s', async (_how, fault) => {
    const { authorityHost } = emulator;
    const opener = platformCredential({ identity: 'managed-identity', authorityHost, deadlineMs: 10_000 });
    await opener.getToken('https://managedhsm.azure.net/.default'); // it has an identity
    await emulator.control.injectFault({ at: 'entra', operation: 'managedIdentityToken', ...fault });
    await expect(vaultWith(opener).versions('any', 2)).rejects.toMatchObject({
      code: 'identity-unavailable',
      reason: 'platform-identity',
    });
  });
});
