import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const COOL_DOWN_SECONDS = 10;
const BACKGROUND_SECONDS = 600;
const ORIGIN_KEY = 'vaultspan-origin-key';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const encrypt = () => service.post('/tenants/contoso/encrypt', { plaintext });
const decrypt = (ciphertext: string) => service.post('/tenants/contoso/decrypt', { ciphertext });
const degraded = async () => (await service.request().get('/readyz')).body.degraded ?? [];
const homeVersions = () => service.vaultCalls('home').filter((operation) => operation === 'getSecretVersions').length;

/**
 * Returns the same message with another `mac`, as if made with an origin key that this process has
 * not read.
 */
function underAnotherMac(ciphertext: string): string {
  const [header = '', ...rest] = ciphertext.split('.');
  const { mac, ...members } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { readonly mac: string };
  const other = `${mac.startsWith('A') ? 'B' : 'A'}${mac.slice(1)}`;
  const forged = JSON.stringify({ ...members, mac: other });
  return [Buffer.from(forged).toString('base64url'), ...rest].join('.');
}

const disable = (name: string) => service.emulator.control.disableSecretVersion({ vault: 'home', name });

describe('the origin key, disabled while the service runs,', () => {
  let ciphertext: string;
  beforeAll(async () => {
    ({ ciphertext } = (await encrypt()).body);
    await disable(ORIGIN_KEY);
    service.clock.advance(COOL_DOWN_SECONDS);
  });

  test('leaves an unknown mac undecided: 503 instead of undecryptable, and one read of the vault', async () => {
    const before = homeVersions();
    for (let time = 0; time < 3; time += 1) {
      expect((await decrypt(underAnotherMac(ciphertext))).body).toMatchObject({
        status: 503,
        code: 'home-credential-rejected',
        reason: 'home-key-disabled',
        fix: { owner: 'vendor' },
      });
    }
    expect(homeVersions()).toBe(before + 1);
  });

  test('still opens its messages and seals new ones', async () => {
    expect((await decrypt(ciphertext)).body.plaintext).toBe(plaintext);
    expect((await decrypt((await encrypt()).body.ciphertext)).body.plaintext).toBe(plaintext);
  });

  test('degrades the process, which stays ready, and is logged once', async () => {
    expect(await degraded()).toEqual(['origin-key']);
    expect(service.logLines.filter((line) => line.includes('has no usable key'))).toHaveLength(1);
  });
});

test('a disabled audit key shows in readiness before a restart needs it', async () => {
  await disable('vaultspan-audit-key');
  expect(await degraded()).not.toContain('audit-key');
  service.clock.advance(BACKGROUND_SECONDS);
  await until(async () => (await degraded()).includes('audit-key'), 'the audit key is reread');
});

test('a client secret that is disabled in the vault still works while Entra accepts it, and degrades the process', async () => {
  await disable(service.emulator.appSecretName);
  await service.emulator.control.injectFault({
    at: 'entra',
    operation: 'token',
    kind: 'status',
    code: '7000215',
    times: 1,
  });
  expect((await service.post('/tenants/fabrikam/encrypt', { plaintext })).body.code).toBe('home-credential-rejected');
  expect(await degraded()).toContain('app-credential');
  service.clock.advance(COOL_DOWN_SECONDS);
  expect((await service.post('/tenants/fabrikam/encrypt', { plaintext })).status).toBe(200);
});
