import type { KeyClient } from '@azure/keyvault-keys';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Emulator } from '../../src/emulator/emulator.ts';
import {
  appCredential,
  customerNamed,
  failureOf,
  fetchJson,
  keyClientOf,
  startTrusted,
  VAULT_SCOPE,
  WRAP_ROLE,
} from '../support/emulator-clients.ts';

let emulator: Emulator;
let client: KeyClient;
let clockMs = 0;
let vaultUrl: string;

beforeAll(async () => {
  emulator = await startTrusted({
    now: () => Date.now() + clockMs,
    seed: (directory) => {
      directory.addCustomer({ name: 'contoso', keys: ['data', 'other'] });
      directory.addCustomer({ name: 'fabrikam', keys: [] });
    },
  });
  ({ vaultUrl } = customerNamed(emulator, 'contoso'));
  client = await keyClientOf(emulator, 'contoso');
});

beforeEach(async () => {
  await emulator.control.setPropagationDelay({ delayMs: 0 });
  await emulator.control.removeAccessPolicy({ vault: 'contoso' });
  await emulator.control.removeRole({ vault: 'contoso' });
});

afterEach(() => {
  clockMs = 0;
});

afterAll(() => emulator.close());

const grant = (role = WRAP_ROLE, key?: string) =>
  emulator.control.grantRole({ vault: 'contoso', role, ...(key !== undefined && { key }) });

const tokenOf = async (customer: string, scope = VAULT_SCOPE): Promise<string> =>
  (await (await appCredential(emulator, customer)).getToken(scope)).token;

const getKeyWith = (authorization?: string) =>
  fetchJson(`${vaultUrl}/keys/data?api-version=7.6`, authorization === undefined ? {} : { headers: { authorization } });

describe('tokens', () => {
  test('without one, the challenge names the tenant and the resource', async () => {
    const { status, headers, body } = await getKeyWith();
    const { tenantId } = customerNamed(emulator, 'contoso');
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe(
      `Bearer authorization="${emulator.authorityHost}/${tenantId}", resource="https://vault.azure.net"`,
    );
    expect(body).toMatchObject({ error: { code: 'Unauthorized', message: expect.stringContaining('AKV10000') } });
  });

  test.each([
    ['of another tenant', () => tokenOf('fabrikam'), 'AKV10032'],
    ['for another resource', () => tokenOf('contoso', 'https://graph.microsoft.com/.default'), 'AKV10022'],
    ['that nobody signed', async () => `${(await tokenOf('contoso')).slice(0, -8)}AAAAAAAA`, 'AKV10020'],
    ['that is none', async () => 'nonsense', 'AKV10020'],
  ])('a token %s is refused', async (_what, token, code) => {
    const { status, body } = await getKeyWith(`Bearer ${await token()}`);
    expect(status).toBe(401);
    expect(body).toMatchObject({ error: { message: expect.stringContaining(code) } });
  });

  test('a token works until it expires', async () => {
    await grant();
    const token = await tokenOf('contoso');
    expect((await getKeyWith(`Bearer ${token}`)).status).toBe(200);
    clockMs = 66 * 60_000;
    const { status, body } = await getKeyWith(`Bearer ${token}`);
    expect(status).toBe(401);
    expect(body).toMatchObject({ error: { message: expect.stringContaining('[TokenExpired]') } });
  });

  test("the client's request id is echoed and logged", async () => {
    emulator.control.clearRequests();
    const { headers } = await fetchJson(`${vaultUrl}/keys/data?api-version=7.6`, {
      headers: { 'x-ms-client-request-id': 'from-the-test' },
    });
    expect(headers.get('x-ms-client-request-id')).toBe('from-the-test');
    expect(headers.get('x-ms-request-id')).toMatch(/^[\da-f-]{36}$/);
    expect(emulator.control.requests()).toMatchObject([
      { at: 'contoso', operation: 'challenge', status: 401, clientRequestId: 'from-the-test' },
    ]);
  });
});

describe('roles', () => {
  test('without a role the refusal is ForbiddenByRbac; with one the key is returned', async () => {
    expect(await failureOf(client.getKey('data'))).toMatchObject({
      statusCode: 403,
      code: 'Forbidden',
      inner: 'ForbiddenByRbac',
    });
    await grant();
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('a role on one key covers only that key', async () => {
    await grant(WRAP_ROLE, 'data');
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
    expect(await failureOf(client.getKey('other'))).toMatchObject({ inner: 'ForbiddenByRbac' });
  });

  test('the wrapping role neither lists nor creates, the officer does both', async () => {
    await grant();
    expect(await failureOf(client.listPropertiesOfKeys().next())).toMatchObject({ statusCode: 403, code: 'Forbidden' });
    expect(await failureOf(client.createRsaKey('fresh'))).toMatchObject({ inner: 'ForbiddenByRbac' });
    await grant('Key Vault Crypto Officer');
    expect(await client.createRsaKey('fresh')).toHaveProperty('name', 'fresh');
  });

  test('the reader can list keys but not use them', async () => {
    await grant('Key Vault Reader');
    await client.getKey('data');
    const wrapped = client.getCryptographyClient('data').wrapKey('RSA-OAEP-256', Buffer.alloc(32));
    expect(await failureOf(wrapped)).toMatchObject({ inner: 'ForbiddenByRbac' });
  });

  test('a removed role works until the removal has propagated', async () => {
    await grant();
    await emulator.control.setPropagationDelay({ vault: 'contoso', delayMs: 300_000 });
    await emulator.control.removeRole({ vault: 'contoso', role: WRAP_ROLE });
    clockMs = 299_000;
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
    clockMs = 301_000;
    expect(await failureOf(client.getKey('data'))).toMatchObject({ inner: 'ForbiddenByRbac' });
  });

  test('a granted role works once the grant has propagated', async () => {
    await emulator.control.setPropagationDelay({ vault: 'contoso', delayMs: 300_000 });
    await grant();
    expect(await failureOf(client.getKey('data'))).toMatchObject({ inner: 'ForbiddenByRbac' });
    clockMs = 301_000;
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('granting an unknown role is refused', async () => {
    await expect(grant('Key Vault Wizard')).rejects.toThrow('There is no role "Key Vault Wizard"');
  });
});

describe('access policies', () => {
  test('permissions count one by one, and roles no longer apply', async () => {
    await grant('Key Vault Administrator');
    await emulator.control.setAccessPolicy({ vault: 'contoso', keys: ['get', 'WrapKey'] });
    await client.getKey('data');
    const cryptography = client.getCryptographyClient('data');
    const { result } = await cryptography.wrapKey('RSA-OAEP-256', Buffer.alloc(32));
    expect(await failureOf(cryptography.unwrapKey('RSA-OAEP-256', result))).toMatchObject({
      inner: 'ForbiddenByPolicy',
    });
    await emulator.control.setAccessPolicy({ vault: 'contoso', keys: ['unwrapKey'] });
    expect(await cryptography.unwrapKey('RSA-OAEP-256', result)).toHaveProperty('result');
  });

  test('after removal, nothing is allowed', async () => {
    await emulator.control.setAccessPolicy({ vault: 'contoso', keys: ['get'] });
    await client.getKey('data');
    await emulator.control.removeAccessPolicy({ vault: 'contoso' });
    expect(await failureOf(client.getKey('data'))).toMatchObject({ statusCode: 403, inner: 'ForbiddenByPolicy' });
  });
});

describe('the vault as a whole', () => {
  beforeEach(() => grant());

  test('a closed network is ForbiddenByFirewall until it is opened', async () => {
    await emulator.control.setFirewall({ vault: 'contoso', deny: true });
    expect(await failureOf(client.getKey('data'))).toMatchObject({ statusCode: 403, inner: 'ForbiddenByFirewall' });
    await emulator.control.setFirewall({ vault: 'contoso', deny: false });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('a deleted vault does not answer until it is recovered', async () => {
    await emulator.control.deleteVault({ vault: 'contoso' });
    const failure = await failureOf(client.getKey('data'));
    expect(failure.statusCode).toBeUndefined();
    await emulator.control.restoreVault({ vault: 'contoso' });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test.each([
    ['without Retry-After', null, null],
    ['with Retry-After', 7, '7'],
  ])('too many operations in a second are 429 %s', async (_what, retryAfterSeconds, header) => {
    // Another second than the previous case, which has used up its operations.
    clockMs = 10_000 * (retryAfterSeconds ?? 0);
    await emulator.control.setVaultOptions({ vault: 'contoso', operationsPerSecond: 2, retryAfterSeconds });
    const authorization = `Bearer ${await tokenOf('contoso')}`;
    const replies = await Promise.all(Array.from({ length: 8 }, () => getKeyWith(authorization)));
    await emulator.control.setVaultOptions({ vault: 'contoso', operationsPerSecond: 0 });
    const refused = replies.find(({ status }) => status === 429);
    expect(replies.some(({ status }) => status === 200)).toBe(true);
    expect(refused?.body).toMatchObject({ error: { code: 'Throttled' } });
    expect(refused?.headers.get('retry-after')).toBe(header);
  });

  test('a request without api-version is refused', async () => {
    const headers = { authorization: `Bearer ${await tokenOf('contoso')}` };
    const { status, body } = await fetchJson(`${vaultUrl}/keys/data`, { headers });
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { code: 'BadParameter' } });
  });
});
