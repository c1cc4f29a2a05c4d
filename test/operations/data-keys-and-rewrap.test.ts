import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    tenant: (record) => (record['id'] === 'contoso' ? { ...record, revocationBoundSeconds: 120 } : record),
  });
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an old invoice').toString('base64');
const encryptionContext = { id: '4711' };
const post = (path: string, body: object, token?: string) => service.post(`/tenants/${path}`, body, token);
const seal = async (tenant: string, body: object = {}) => {
  const response = await post(`${tenant}/encrypt`, { plaintext, encryptionContext, ...body });
  expect(response.status).toBe(200);
  return response.body as { readonly ciphertext: string; readonly keyId: string };
};
const open = (tenant: string, ciphertext: string) => post(`${tenant}/decrypt`, { ciphertext, encryptionContext });

describe('data-keys', () => {
  test('returns a new key that decrypt opens again, and the time to drop it', async () => {
    const [one, other] = [await post('contoso/data-keys', { encryptionContext }), await post('contoso/data-keys', {})];
    expect(Buffer.from(one.body.plaintext, 'base64')).toHaveLength(32);
    expect(other.body.plaintext).not.toBe(one.body.plaintext);
    expect((await open('contoso', one.body.ciphertext)).body).toEqual({
      plaintext: one.body.plaintext,
      keyId: one.body.keyId,
    });
    const lifeMs = Date.parse(one.body.expiresAt) - service.clock.wallMs();
    expect(lifeMs).toBeGreaterThan(100_000);
    expect(lifeMs).toBeLessThanOrEqual(120_000);
  });

  test('requires Data.Encrypt, a tenant that grants it and a key that seals data', async () => {
    const reader = await service.emulator.issueCallerToken({ roles: ['Data.Decrypt'] });
    expect((await post('contoso/data-keys', {}, reader)).body).toMatchObject({
      code: 'grant-missing',
      reason: 'Data.Encrypt',
    });
    expect((await post('northwind/data-keys', {})).body.code).toBe('access-revoked');
    expect((await post('contoso/data-keys', { key: 'wrap' })).body.code).toBe('key-use');
    expect((await post('contoso/data-keys', { size: 16 })).body).toMatchObject({
      code: 'malformed-request',
      errors: [{ pointer: '/size' }],
    });
  });
});

describe('rewrap', () => {
  test('moves a message to the newest version, noticed when the last read is a minute ago', async () => {
    const old = await seal('contoso');
    await service.emulator.control.rotateKey({ vault: 'contoso', key: 'data' });
    service.clock.advance(61);
    const moved = await post('contoso/rewrap', { ciphertext: old.ciphertext, encryptionContext });
    expect(moved.status).toBe(200);
    expect(moved.body.keyId).not.toBe(old.keyId);
    expect((await open('contoso', moved.body.ciphertext)).body).toMatchObject({ plaintext, keyId: moved.body.keyId });
    expect((await open('contoso', old.ciphertext)).body).toMatchObject({ plaintext });
  });

  test('moves a message to another key and to another tenant, and then only that one opens it', async () => {
    const { ciphertext } = await seal('fabrikam');
    const archived = await post('fabrikam/rewrap', { ciphertext, encryptionContext, to: { key: 'archive' } });
    expect(archived.body.keyId).toContain('/keys/archive/');
    const given = await post('fabrikam/rewrap', { ciphertext, encryptionContext, to: { tenantId: 'contoso' } });
    expect((await open('contoso', given.body.ciphertext)).body).toMatchObject({ plaintext });
    expect((await open('fabrikam', given.body.ciphertext)).body.code).toBe('wrong-tenant');
    const records = (await service.auditRecords()).filter(({ operation }) => operation === 'rewrap');
    expect(records.slice(-2).map(({ tenantId }) => tenantId)).toEqual(['fabrikam', 'contoso']);
  });

  test('requires Data.Decrypt here and Data.Encrypt at the target, before anything is opened', async () => {
    const { ciphertext } = await seal('contoso');
    service.emulator.control.clearRequests();
    for (const [roles, missing] of [
      [['Data.Decrypt'], 'Data.Encrypt'],
      [['Data.Encrypt'], 'Data.Decrypt'],
    ] as const) {
      const token = await service.emulator.issueCallerToken({ roles });
      const body = { ciphertext, encryptionContext, to: { tenantId: 'fabrikam' } };
      expect((await post('contoso/rewrap', body, token)).body).toMatchObject({
        code: 'grant-missing',
        reason: missing,
      });
    }
    expect(service.vaultCalls('contoso')).toEqual([]);
  });

  test('with another context, of another tenant or of nonsense is refused as by decrypt, without a vault call', async () => {
    const { ciphertext } = await seal('contoso');
    service.emulator.control.clearRequests();
    expect((await post('contoso/rewrap', { ciphertext, encryptionContext: { id: '1' } })).body.code).toBe(
      'context-mismatch',
    );
    expect((await post('fabrikam/rewrap', { ciphertext, encryptionContext })).body.code).toBe('wrong-tenant');
    expect((await post('contoso/rewrap', { ciphertext: 'x' })).body.code).toBe('malformed-ciphertext');
    for (const [key, code] of [
      ['nope', 'unknown-key-alias'],
      ['wrap', 'key-use'],
    ]) {
      const refused = await post('contoso/rewrap', { ciphertext, encryptionContext, to: { key } });
      expect(refused.body).toMatchObject({ code, errors: [{ pointer: '/to/key' }] });
    }
    expect((await post('contoso/rewrap', { ciphertext, to: { tenantId: 'NOPE' } })).body).toMatchObject({
      errors: [{ pointer: '/to/tenantId' }],
    });
    expect(service.vaultCalls('contoso')).toEqual([]);
  });

  test('to a tenant that refuses us fails, with the reason', async () => {
    const { ciphertext } = await seal('contoso');
    const response = await post('contoso/rewrap', { ciphertext, encryptionContext, to: { tenantId: 'northwind' } });
    expect(response.body).toMatchObject({ code: 'access-revoked', reason: 'role-missing' });
  });
});
