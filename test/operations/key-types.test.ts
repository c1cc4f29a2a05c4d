import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { changeTenant } from '../support/customers.ts';
import { headerOf } from '../support/jwe-parts.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  const { control } = service.emulator;
  const vault = 'contoso';
  await control.createKey({ vault, key: 'ec', kty: 'EC' });
  await control.createKey({ vault, key: 'ec-wrap', kty: 'EC-HSM', keyOps: ['wrapKey', 'unwrapKey'] });
  await control.createKey({ vault, key: 'premium', kty: 'oct-HSM' });
  await control.createKey({ vault, key: 'signing', keyOps: ['sign', 'verify'] });
  await changeTenant(service, 'contoso', (tenant) => {
    const { data = {} } = tenant.keys;
    const { vaultUrl } = data;
    const keyOf = (name: string) => [name, { vaultUrl, name, use: name.endsWith('wrap') ? 'wrap' : 'data' }];
    const added = Object.fromEntries(['ec', 'ec-wrap', 'signing'].map(keyOf));
    const premium = { vaultUrl, name: 'premium', use: 'data', algorithm: 'A256KW' };
    return { ...tenant, keys: { ...tenant.keys, ...added, premium } };
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const post = (operation: string, body: object) => service.post(`/tenants/contoso/${operation}`, body);

describe('an EC key', () => {
  test.each([
    ['encrypt', { plaintext, key: 'ec' }, /is an EC key, which cannot wrap$/],
    ['wrap', { value: plaintext, key: 'ec-wrap' }, /is an EC-HSM key, which cannot wrap$/],
  ])('is refused for %s by its type, before its operations and its state', async (operation, body, detail) => {
    const answer = await post(operation, body);
    expect([answer.status, answer.body.code, answer.body.reason]).toEqual([409, 'tenant-misconfigured', 'key-type']);
    expect(answer.body.detail).toMatch(detail);
    expect(answer.body.fix.command).toMatch(/^az keyvault key create .*--kty RSA --size 3072 /);
    expect(answer.body.fix.command).not.toContain('set-attributes');
  });

  test('is reported by the doctor', async () => {
    const { body } = await post('check', {});
    const step = body.steps.find(({ name }: { name: string }) => name === 'key ec');
    expect(step).toMatchObject({ state: 'failed', code: 'tenant-misconfigured', reason: 'key-type' });
  });
});

test('an oct-HSM key of a Key Vault in the Premium tier seals and opens', async () => {
  const sealed = await post('encrypt', { plaintext, key: 'premium' });
  expect(headerOf(sealed.body.ciphertext)['alg']).toBe('A256KW');
  expect((await post('decrypt', { ciphertext: sealed.body.ciphertext })).body.plaintext).toBe(plaintext);
});

test('a key without wrapKey keeps its operations in the command, which replaces the list', async () => {
  const { body } = await post('encrypt', { plaintext, key: 'signing' });
  expect(body).toMatchObject({ code: 'access-revoked', reason: 'key-operation-forbidden' });
  expect(body.fix.command).toMatch(/ --ops sign verify wrapKey unwrapKey$/);
});
