import { ManagedIdentityCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { fetchJson, startTrusted, VAULT_SCOPE, vaultOptions } from '../support/emulator-clients.ts';

let emulator: Emulator;

beforeAll(async () => {
  emulator = await startTrusted({ seed: () => undefined });
});

afterAll(() => emulator.close());

function identity(clientId?: string): ManagedIdentityCredential {
  process.env['IDENTITY_ENDPOINT'] = emulator.managedIdentity.endpoint;
  process.env['IDENTITY_HEADER'] = emulator.managedIdentity.header;
  const options = { retryOptions: { maxRetries: 0 } };
  return clientId === undefined
    ? new ManagedIdentityCredential(options)
    : new ManagedIdentityCredential({ ...options, clientId });
}

test('reads the app secret in the home vault, which signs in', async () => {
  const client = new SecretClient(emulator.homeVaultUrl, identity(), vaultOptions);
  const { value = '', properties } = await client.getSecret(emulator.appSecretName);
  expect(properties.expiresOn?.getTime()).toBeGreaterThan(Date.now());
  const { status } = await fetchJson(`${emulator.authorityHost}/${emulator.homeTenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: emulator.appId,
      client_secret: value,
      scope: VAULT_SCOPE,
    }),
  });
  expect(status).toBe(200);
});

test('may create secrets there', async () => {
  const client = new SecretClient(emulator.homeVaultUrl, identity(), vaultOptions);
  await client.setSecret('vaultspan-origin-key', 'made by init');
  expect(await client.getSecret('vaultspan-origin-key')).toMatchObject({ value: 'made by init' });
});

test('a wrong header is refused', async () => {
  const { status } = await fetchJson(
    `${emulator.managedIdentity.endpoint}?api-version=2019-08-01&resource=https://vault.azure.net`,
    { headers: { 'x-identity-header': 'wrong' } },
  );
  expect(status).toBe(401);
});

test('another client id is refused, its own is accepted', async () => {
  const url = `${emulator.managedIdentity.endpoint}?api-version=2019-08-01&resource=https://vault.azure.net`;
  const headers = { 'x-identity-header': emulator.managedIdentity.header };
  const { body } = await fetchJson(url, { headers });
  expect(body).toMatchObject({ expires_on: expect.stringMatching(/^\d+$/), resource: 'https://vault.azure.net' });
  const clientId = String(body['client_id']);
  expect(await identity(clientId).getToken(VAULT_SCOPE)).toHaveProperty('token');
  expect((await fetchJson(`${url}&client_id=${emulator.appId}`, { headers })).status).toBe(400);
});

test.each([
  ['no header', 'api-version=2019-08-01&resource=https://vault.azure.net', false],
  ['another api-version', 'api-version=2017-09-01&resource=https://vault.azure.net', true],
  ['an unknown resource', 'api-version=2019-08-01&resource=https://example.org', true],
])('%s is refused', async (_what, query, withHeader) => {
  const headers: Record<string, string> = withHeader ? { 'x-identity-header': emulator.managedIdentity.header } : {};
  const { status } = await fetchJson(`${emulator.managedIdentity.endpoint}?${query}`, { headers });
  expect(status).toBe(400);
});
