import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { changeTenant } from '../support/customers.ts';
import { headerOf } from '../support/jwe-parts.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  const { control } = service.emulator;
  const { vaultUrl } = await control.addVault({ tenant: 'contoso', name: 'contoso-hsm', kind: 'hsm' });
  await control.grantRole({ vault: 'contoso-hsm', role: 'Managed HSM Crypto Service Encryption User' });
  for (const key of ['hsm-data', 'hsm-wrap']) await control.createKey({ vault: 'contoso-hsm', key });
  await control.createKey({ vault: 'contoso-hsm', key: 'small', size: 128 });
  await changeTenant(service, 'contoso', (tenant) => ({
    ...tenant,
    keys: {
      ...tenant.keys,
      'hsm-data': { vaultUrl, name: 'hsm-data', use: 'data' },
      'hsm-wrap': { vaultUrl, name: 'hsm-wrap', use: 'wrap' },
      small: { vaultUrl, name: 'small', use: 'data' },
    },
  }));
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const post = (operation: string, body: object) => service.post(`/tenants/contoso/${operation}`, body);

test('encrypt under a symmetric key wraps its data key with A256KW, and decrypt opens it', async () => {
  const encrypted = await post('encrypt', { plaintext, key: 'hsm-data' });
  expect(encrypted.status).toBe(200);
  expect(headerOf(encrypted.body.ciphertext)['alg']).toBe('A256KW');
  expect(service.vaultCalls('contoso-hsm')).toEqual(['challenge', 'getKey', 'wrapKey', 'unwrapKey']);
  const decrypted = await post('decrypt', { ciphertext: encrypted.body.ciphertext });
  expect(decrypted.body).toEqual({ plaintext, keyId: encrypted.body.keyId });
});

test('encrypt under a symmetric key too small for its algorithm is no fault of the request', async () => {
  const { status, body } = await post('encrypt', { plaintext, key: 'small' });
  expect([status, body.code]).toEqual([409, 'tenant-misconfigured']);
});

test('wrap under a symmetric key uses A256KW, and unwrap returns the value', async () => {
  const value = randomBytes(32).toString('base64');
  const wrapped = await post('wrap', { value, key: 'hsm-wrap' });
  expect(wrapped.body).toMatchObject({ algorithm: 'A256KW' });
  expect(Buffer.from(wrapped.body.wrappedKey, 'base64')).toHaveLength(40);
  expect((await post('unwrap', wrapped.body)).body).toEqual({ value, keyId: wrapped.body.keyId });
});

test('wrap of a length that A256KW does not accept is refused by name', async () => {
  const { status, body } = await post('wrap', { value: randomBytes(33).toString('base64'), key: 'hsm-wrap' });
  expect([status, body.code]).toEqual([400, 'malformed-request']);
  expect(body.errors).toMatchObject([{ pointer: '/value' }]);
});
