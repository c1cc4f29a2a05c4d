import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

/** RSA-2048 takes at most 256 - 2 - 2 × hash bytes (RFC 8017 §7.1.1). */
const MAX_OF_OAEP_256 = 190;
const MAX_OF_OAEP = 214;

let service: TestService;
let keyId: string;
let dataKeyId: string;
beforeAll(async () => {
  service = await startService({
    tenant: (record) => (record['id'] === 'fabrikam' ? withArchiveForWrapping(record) : record),
  });
  ({ keyId } = (await wrap({ value })).body);
  dataKeyId = (await service.post('/tenants/contoso/encrypt', { plaintext: value })).body.keyId;
  await service.post('/tenants/fabrikam/wrap', { value, key: 'archive' });
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Registers Fabrikam's wrap key for RSA-OAEP only. */
function withArchiveForWrapping(record: Record<string, unknown>): Record<string, unknown> {
  const keys = record['keys'] as Record<string, object>;
  return { ...record, keys: { ...keys, archive: { ...keys['archive'], use: 'wrap', algorithm: 'RSA-OAEP' } } };
}

const value = randomBytes(32).toString('base64');
const wrap = (body: object, tenant = 'contoso') => service.post(`/tenants/${tenant}/wrap`, { key: 'wrap', ...body });
const unwrap = (body: object, tenant = 'contoso') => service.post(`/tenants/${tenant}/unwrap`, body);
const vaultCalls = () => service.vaultCalls('contoso');

describe('wrap', () => {
  test('returns a value that unwrap reverses, and names key version and algorithm', async () => {
    const wrapped = await wrap({ value });
    expect(wrapped.status).toBe(200);
    expect(wrapped.body).toMatchObject({ algorithm: 'RSA-OAEP-256' });
    expect(wrapped.body.keyId).toMatch(/^https:\/\/localhost:\d+\/keys\/wrap\/[0-9a-f]{32}$/);
    const unwrapped = await unwrap(wrapped.body);
    expect([unwrapped.status, unwrapped.body]).toEqual([200, { value, keyId: wrapped.body.keyId }]);
  });

  test('and unwrap make one vault call each when warm, for the same value too', async () => {
    const first = await wrap({ value });
    const second = await wrap({ value });
    expect(second.body.wrappedKey).not.toBe(first.body.wrappedKey);
    expect(vaultCalls()).toEqual(['wrapKey', 'wrapKey']);
    for (let time = 0; time < 2; time += 1) await unwrap(first.body);
    expect(vaultCalls()).toEqual(['wrapKey', 'wrapKey', 'unwrapKey', 'unwrapKey']);
  });

  test.each([['RSA-OAEP'], ['RSA-OAEP-256']])('by %s is done by the vault', async (algorithm) => {
    const wrapped = await wrap({ value, algorithm });
    expect([wrapped.status, wrapped.body.algorithm]).toEqual([200, algorithm]);
    expect(vaultCalls()).toEqual(['wrapKey']);
    expect((await unwrap(wrapped.body)).body.value).toBe(value);
  });

  test.each([['RSA1_5'], ['rsa-oaep'], ['A256GCM'], [''], ['__proto__']])('by %j is refused', async (algorithm) => {
    for (const response of [await wrap({ value, algorithm }), await unwrap({ wrappedKey: value, keyId, algorithm })]) {
      expect([response.status, response.body.code]).toEqual([400, 'malformed-request']);
      expect(response.body.errors).toMatchObject([{ pointer: '/algorithm' }]);
    }
    expect(vaultCalls()).toEqual([]);
  });

  test.each([['A128KW'], ['A192KW'], ['A256KW']])(
    "by %s with an RSA key is refused as the request's fault",
    async (algorithm) => {
      const { status, body } = await wrap({ value, algorithm });
      expect([status, body.code]).toEqual([400, 'malformed-request']);
      expect(body.errors).toMatchObject([{ pointer: '/algorithm' }]);
      expect(vaultCalls()).toEqual([]);
    },
  );

  test('uses the algorithm of the record, and no other', async () => {
    const wrapped = await wrap({ value, key: 'archive' }, 'fabrikam');
    expect(wrapped.body.algorithm).toBe('RSA-OAEP');
    expect((await unwrap(wrapped.body, 'fabrikam')).body.value).toBe(value);
    const other = { algorithm: 'RSA-OAEP-256' };
    const refusals = [
      await wrap({ value, key: 'archive', ...other }, 'fabrikam'),
      await unwrap({ ...wrapped.body, ...other }, 'fabrikam'),
    ];
    for (const { status, body } of refusals) {
      expect([status, body.code, body.errors[0].pointer]).toEqual([400, 'malformed-request', '/algorithm']);
    }
  });

  test.each([
    ['RSA-OAEP-256', MAX_OF_OAEP_256],
    ['RSA-OAEP', MAX_OF_OAEP],
  ])('by %s accepts a value of %i bytes and refuses one more', async (algorithm, most) => {
    expect((await wrap({ value: randomBytes(most).toString('base64'), algorithm })).status).toBe(200);
    const { status, body } = await wrap({ value: randomBytes(most + 1).toString('base64'), algorithm });
    expect([status, body.code]).toEqual([400, 'malformed-request']);
    expect(body.errors).toMatchObject([{ pointer: '/value' }]);
  });

  test.each([
    ['', '/value'],
    ['A'.repeat(4_000), '/value'],
    ['no base64', '/value'],
  ])('of the value %j is refused', async (bad, pointer) => {
    const { status, body } = await wrap({ value: bad });
    expect([status, body.code, body.errors[0].pointer]).toEqual([400, 'malformed-request', pointer]);
    expect(vaultCalls()).toEqual([]);
  });

  test.each([
    ['data', 409, 'key-use'],
    ['nope', 422, 'unknown-key-alias'],
    ['__proto__', 422, 'unknown-key-alias'],
  ])('under the key %s is refused with %i %s', async (key, status, code) => {
    const response = await wrap({ value, key });
    expect([response.status, response.body.code]).toEqual([status, code]);
    expect(response.body.errors).toMatchObject([{ pointer: '/key' }]);
    expect(vaultCalls()).toEqual([]);
  });

  test('without a key is refused: there is no default', async () => {
    const { status, body } = await wrap({ value, key: undefined });
    expect([status, body.errors[0].pointer]).toEqual([400, '/key']);
  });
});

describe('unwrap', () => {
  let wrapped: { readonly wrappedKey: string; readonly keyId: string; readonly algorithm: string };
  beforeAll(async () => {
    wrapped = (await wrap({ value })).body;
  });

  test.each<[string, (kid: string) => string]>([
    ['without a version', (kid) => kid.replace(/\/[0-9a-f]{32}$/, '')],
    ['that climbs to another key', (kid) => kid.replace(/[0-9a-f]{32}$/, '../data')],
    ['that climbs behind its version', (kid) => `${kid}/../../data`],
    ['that climbs in code', (kid) => kid.replace(/[0-9a-f]{32}$/, '..%2fdata')],
    ['with a version in upper case', (kid) => kid.replace(/[0-9a-f]{32}$/, 'A'.repeat(32))],
    ['with a query', (kid) => `${kid}?api-version=1`],
    ['with a newline', (kid) => `${kid}\n`],
    ['without TLS', (kid) => kid.replace('https:', 'http:')],
    ['with a user name', (kid) => kid.replace('https://', 'https://contoso@')],
    ['of a secret', (kid) => kid.replace('/keys/', '/secrets/')],
    ['that is no address', () => 'wrap'],
    ['that is empty', () => ''],
    ['that is endless', (kid) => kid + 'a'.repeat(512)],
  ])('with a key id %s is refused', async (_what, change) => {
    const { status, body } = await unwrap({ ...wrapped, keyId: change(keyId) });
    expect([status, body.code]).toEqual([400, 'malformed-request']);
    expect(body.errors).toMatchObject([{ pointer: '/keyId' }]);
    expect(vaultCalls()).toEqual([]);
  });

  test.each<[string, () => string, number, string]>([
    ['of a data key', () => dataKeyId, 409, 'key-use'],
    ['of a data key in other case', () => dataKeyId.replace('/data/', '/DATA/'), 409, 'key-use'],
    ['of a key not registered', () => keyId.replace('/wrap/', '/other/'), 422, 'unknown-key'],
    ['of another vault', () => keyId.replace(/localhost:\d+/, 'evil.vault.azure.net'), 422, 'unknown-key'],
  ])('with a key id %s is refused', async (_what, id, status, code) => {
    const response = await unwrap({ ...wrapped, keyId: id() });
    expect([response.status, response.body.code]).toEqual([status, code]);
    expect(response.body.errors).toMatchObject([{ pointer: '/keyId' }]);
    expect(vaultCalls()).toEqual([]);
  });

  test("with another tenant's key id is refused, and neither vault is called", async () => {
    const { status, body } = await unwrap(wrapped, 'fabrikam');
    expect([status, body.code]).toEqual([422, 'unknown-key']);
    expect([...vaultCalls(), ...service.vaultCalls('fabrikam')]).toEqual([]);
  });

  test.each<[string, () => string]>([
    ['changed by a bit', () => flipped(wrapped.wrappedKey)],
    ['random', () => randomBytes(256).toString('base64')],
    ['too short', () => randomBytes(255).toString('base64')],
    ['too long', () => randomBytes(257).toString('base64')],
    ['one byte', () => 'AA=='],
  ])('of a wrapped key that is %s answers undecryptable', async (_what, bad) => {
    const { status, body } = await unwrap({ ...wrapped, wrappedKey: bad() });
    expect([status, body.code]).toEqual([422, 'undecryptable']);
  });

  test('with the other hash answers undecryptable', async () => {
    const { status, body } = await unwrap({ ...wrapped, algorithm: 'RSA-OAEP' });
    expect([status, body.code]).toEqual([422, 'undecryptable']);
  });

  test('under a version that the vault does not have answers that the key is absent', async () => {
    const { status, body } = await unwrap({ ...wrapped, keyId: keyId.replace(/[0-9a-f]{32}$/, '0'.repeat(32)) });
    expect([status, body.code, body.reason]).toEqual([403, 'access-revoked', 'key-absent']);
  });

  test('of an older version works after a rotation, and when the newest is disabled', async () => {
    const { control } = service.emulator;
    const { version } = await control.rotateKey({ vault: 'contoso', key: 'wrap' });
    await control.disableKey({ vault: 'contoso', key: 'wrap', version });
    expect((await unwrap(wrapped)).body.value).toBe(value);
  });
});

function flipped(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  return bytes.toString('base64');
}
