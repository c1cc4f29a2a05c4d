import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addCustomers, changeTenant, type TenantRecord } from '../support/customers.ts';
import { startService, type TestService } from '../support/start-service.ts';

const REREAD_SECONDS = 901;

/** Keys are generated, which takes long on a busy machine. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addCustomers(service, ['rotating', 'pinned', 'newest-disabled', 'retiring', 'requiring']);
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const encrypt = (tenant: string, more: object = {}) =>
  service.post(`/tenants/${tenant}/encrypt`, { plaintext, ...more });
const decrypt = (tenant: string, ciphertext: string, more: object = {}) =>
  service.post(`/tenants/${tenant}/decrypt`, { ciphertext, ...more });

describe('a rotated key', () => {
  test('uses its old version until it is read again, then encrypts with the new one and opens both', async () => {
    const before = await encrypt('rotating');
    const { kid } = await service.emulator.control.rotateKey({ vault: 'rotating', key: 'data' });
    expect((await encrypt('rotating')).body.keyId).toBe(before.body.keyId);
    service.clock.advance(REREAD_SECONDS);
    const after = await encrypt('rotating');
    expect(after.body.keyId).toBe(kid);
    for (const { body } of [before, after]) {
      const decrypted = await decrypt('rotating', body.ciphertext);
      expect(decrypted.body).toEqual({ plaintext, keyId: body.keyId });
    }
  });

  test('stays at the version that its record pins', async () => {
    const { version, kid } = await service.emulator.control.rotateKey({ vault: 'pinned', key: 'data' });
    await changeTenant(service, 'pinned', (tenant) => withKey(tenant, { keyVersion: version }));
    await service.emulator.control.rotateKey({ vault: 'pinned', key: 'data' });
    expect((await encrypt('pinned')).body.keyId).toBe(kid);
  });

  test('is refused when its newest version is disabled: there is no fallback to an older one', async () => {
    const before = await encrypt('newest-disabled');
    const { control } = service.emulator;
    const { version } = await control.rotateKey({ vault: 'newest-disabled', key: 'data' });
    await control.disableKey({ vault: 'newest-disabled', key: 'data', version });
    service.clock.advance(REREAD_SECONDS);
    const after = await encrypt('newest-disabled');
    expect([after.status, after.body.code, after.body.reason]).toEqual([403, 'access-revoked', 'key-disabled']);
    expect((await decrypt('newest-disabled', before.body.ciphertext)).body.plaintext).toBe(plaintext);
  });
});

describe('a retired key', () => {
  let old: { readonly ciphertext: string; readonly keyId: string };
  beforeAll(async () => {
    old = (await encrypt('retiring')).body;
    await service.emulator.control.createKey({ vault: 'retiring', key: 'next' });
    await changeTenant(service, 'retiring', (tenant) => ({
      ...withKey(tenant, { name: 'next' }),
      retiredKeys: Object.values(tenant.keys).map(({ vaultUrl, name }) => ({ vaultUrl, name })),
    }));
  });

  test('opens its own messages, with vault calls of its own', async () => {
    const decrypted = await decrypt('retiring', old.ciphertext);
    expect(decrypted.body).toEqual({ plaintext, keyId: old.keyId });
    expect(service.vaultCalls('retiring')).toEqual(['getKey', 'unwrapKey']);
  });

  test('seals nothing new', async () => {
    expect((await encrypt('retiring')).body.keyId).toContain('/keys/next/');
    const byAlias = await encrypt('retiring', { key: 'old' });
    expect(byAlias.body.code).toBe('unknown-key-alias');
  });

  test('that is removed from the record opens nothing any more, and its vault is not called', async () => {
    await changeTenant(service, 'retiring', (tenant) => ({ ...tenant, retiredKeys: [] }));
    const { status, body } = await decrypt('retiring', old.ciphertext);
    expect([status, body.code]).toEqual([422, 'unknown-key']);
    expect(body.errors).toMatchObject([{ pointer: '/ciphertext' }]);
    expect(service.vaultCalls('retiring')).toEqual([]);
  });
});

describe('a record that requires names in the context', () => {
  let older: string;
  beforeAll(async () => {
    older = (await encrypt('requiring')).body.ciphertext;
    await changeTenant(service, 'requiring', (tenant) => ({ ...tenant, requiredContext: ['purpose', 'toString'] }));
  });

  test.each([
    ['no context', undefined, 2],
    ['an empty context', {}, 2],
    ['one of the names', { purpose: 'invoice' }, 1],
    ['the names as values', { a: 'purpose', b: 'toString' }, 2],
  ])('refuses to encrypt with %s', async (_what, encryptionContext, missing) => {
    const { status, body } = await encrypt('requiring', { encryptionContext });
    expect([status, body.code]).toEqual([400, 'malformed-request']);
    expect(body.errors).toHaveLength(missing);
    expect(body.errors[0]).toMatchObject({ pointer: '/encryptionContext' });
  });

  test('encrypts with all of them, and with others added', async () => {
    const encryptionContext = { purpose: 'invoice', toString: 'x', id: '4711' };
    const { status, body } = await encrypt('requiring', { encryptionContext });
    expect(status).toBe(200);
    expect((await decrypt('requiring', body.ciphertext, { encryptionContext })).body.plaintext).toBe(plaintext);
  });

  test('opens older messages', async () => {
    expect((await decrypt('requiring', older)).body.plaintext).toBe(plaintext);
  });
});

const withKey = (tenant: TenantRecord, change: Readonly<Record<string, unknown>>): TenantRecord => ({
  ...tenant,
  keys: { data: { ...tenant.keys['data'], ...change } },
});
