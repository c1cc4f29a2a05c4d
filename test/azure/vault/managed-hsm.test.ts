import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type AzureNames, startAzureNames } from '../../support/azure-names.ts';
import { changeTenant } from '../../support/customers.ts';
import { headerOf } from '../../support/jwe-parts.ts';
import { startService, type TestService } from '../../support/start-service.ts';

const HOST = 'contoso-hsm.managedhsm.azure.net';
const ROLE = 'Managed HSM Crypto Service Encryption User';
const OCT_KEYS = ['oct-data', 'oct-wrap'];
const RSA_KEYS = ['rsa-data', 'rsa-wrap'];
const BROKEN_KEYS = ['ungranted', 'disabled', 'deleted', 'not-for-wrapping', 'expired'];

let names: AzureNames;
let service: TestService;
beforeAll(async () => {
  names = await startAzureNames([HOST]);
  service = await startService({
    config: {
      // The emulator's address is known only once it runs, which is before this is read.
      get cloud() {
        const authorityHost = new URL(process.env['IDENTITY_ENDPOINT'] ?? '').origin;
        const [vaultSuffix, managedHsmSuffix] = ['.vault.azure.net', '.managedhsm.azure.net'];
        return { name: 'custom', authorityHost, vaultSuffix, managedHsmSuffix };
      },
    },
  });
  await makeHsm();
  await changeTenant(service, 'contoso', (tenant) => ({
    ...tenant,
    keys: Object.fromEntries(
      [...OCT_KEYS, ...RSA_KEYS, ...BROKEN_KEYS].map((name) => [
        name,
        { vaultUrl: `https://${HOST}`, name, use: name.endsWith('wrap') ? 'wrap' : 'data' },
      ]),
    ),
    defaultKey: 'oct-data',
  }));
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
});

async function makeHsm(): Promise<void> {
  const { control } = service.emulator;
  const vault = 'contoso-hsm';
  const { vaultUrl } = await control.addVault({ tenant: 'contoso', name: vault, kind: 'hsm' });
  names.route(HOST, Number(new URL(vaultUrl).port));
  for (const key of [...OCT_KEYS, ...BROKEN_KEYS]) await control.createKey({ vault, key });
  for (const key of RSA_KEYS) await control.createKey({ vault, key, kty: 'RSA-HSM' });
  for (const key of [...OCT_KEYS, ...RSA_KEYS, ...BROKEN_KEYS.slice(1)]) {
    await control.grantRole({ vault, key, role: ROLE });
  }
  await control.disableKey({ vault, key: 'disabled' });
  await control.deleteKey({ vault, key: 'deleted' });
  await control.setKeyAttributes({ vault, key: 'not-for-wrapping', keyOps: ['encrypt', 'decrypt'] });
  await control.setKeyAttributes({ vault, key: 'expired', exp: 1_700_000_000 });
}

const plaintext = Buffer.from('an invoice').toString('base64');
const post = (operation: string, body: object) => service.post(`/tenants/contoso/${operation}`, body);

test.each([
  ['oct-data', 'A256KW'],
  ['rsa-data', 'RSA-OAEP-256'],
])('encrypt under %s names the HSM and %s, and decrypt opens it', async (key, algorithm) => {
  const encrypted = await post('encrypt', { plaintext, key });
  expect(encrypted.status).toBe(200);
  expect(encrypted.body.keyId).toMatch(new RegExp(`^https://${HOST}/keys/${key}/[0-9a-f]{32}$`));
  expect(headerOf(encrypted.body.ciphertext)).toMatchObject({ alg: algorithm, kid: encrypted.body.keyId });
  expect((await post('decrypt', { ciphertext: encrypted.body.ciphertext })).body).toEqual({
    plaintext,
    keyId: encrypted.body.keyId,
  });
});

test.each([
  ['oct-wrap', 'A256KW'],
  ['rsa-wrap', 'RSA-OAEP-256'],
  ['rsa-wrap', 'RSA-OAEP'],
])('wrap under %s by %s happens in the HSM, and unwrap returns the value', async (key, algorithm) => {
  const value = randomBytes(32).toString('base64');
  const wrapped = await post('wrap', { value, key, algorithm });
  expect(wrapped.body).toMatchObject({ algorithm, keyId: expect.stringContaining(`https://${HOST}/keys/${key}/`) });
  expect((await post('unwrap', wrapped.body)).body).toEqual({ value, keyId: wrapped.body.keyId });
  expect(service.vaultCalls('contoso-hsm').slice(-2)).toEqual(['wrapKey', 'unwrapKey']);
});

test('the sign-in is for the resource of Managed HSM, which accepts tokens for no other', async () => {
  await post('wrap', { value: plaintext, key: 'rsa-wrap' });
  const refused = service.emulator.control
    .requests()
    .filter(({ at, status }) => at === 'contoso-hsm' && status === 401);
  expect(refused.filter(({ operation }) => operation !== 'challenge')).toEqual([]);
  expect(new Set(names.asked)).toEqual(new Set([`${HOST}:443`]));
});

describe("the owner's commands name the HSM", () => {
  test.each([
    ['ungranted', 'role-missing', `az keyvault role assignment create --hsm-name contoso-hsm --role "${ROLE}"`],
    ['disabled', 'key-disabled', 'az keyvault key set-attributes --hsm-name contoso-hsm --name disabled'],
    ['deleted', 'key-absent', 'az keyvault key recover --hsm-name contoso-hsm --name deleted'],
    ['not-for-wrapping', 'key-operation-forbidden', 'az keyvault key set-attributes --hsm-name contoso-hsm'],
    ['expired', 'key-expired', 'az keyvault key create --hsm-name contoso-hsm --name expired --kty oct-HSM --size 256'],
  ])('%s', async (key, reason, command) => {
    const { status, body } = await post('encrypt', { plaintext, key });
    expect([status, body.code, body.reason]).toEqual([403, 'access-revoked', reason]);
    expect(body.fix.command).toContain(command);
    expect(body.fix.command).not.toContain('--vault-name');
  });
});
