import { createPrivateKey, createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { ClientAssertionCredential, ClientCertificateCredential, ClientSecretCredential } from '@azure/identity';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, jwtVerify, SignJWT } from 'jose';
import type { Emulator } from '../../src/emulator/emulator.ts';
import {
  appCredential,
  authorityOptions,
  customerNamed,
  failureOf,
  fetchJson,
  keyClientOf,
  postForm,
  startTrusted,
  VAULT_SCOPE,
  WRAP_ROLE,
} from '../support/emulator-clients.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let emulator: Emulator;
let tenantId: string;
let secret: string;

beforeAll(async () => {
  emulator = await startTrusted({
    seed: (directory) => {
      directory.addCustomer({ name: 'contoso', keys: ['data'], role: WRAP_ROLE });
      directory.addCustomer({ name: 'adatum', keys: [], isAppAdded: false });
    },
  });
  ({ tenantId } = customerNamed(emulator, 'contoso'));
  secret = (await emulator.control.addAppSecret()).value;
});

afterAll(() => emulator.close());

const tokenUrl = (tenant: string): string => `${emulator.authorityHost}/${tenant}/oauth2/v2.0/token`;

const form = (change: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  grant_type: 'client_credentials',
  client_id: emulator.appId,
  client_secret: secret,
  scope: VAULT_SCOPE,
  ...change,
});

const signIn = (tenant: string, value = secret) =>
  new ClientSecretCredential(tenant, emulator.appId, value, authorityOptions(emulator)).getToken(VAULT_SCOPE);

describe('with a client secret', () => {
  test("the right secret yields a token of the customer's tenant", async () => {
    const { token } = await signIn(tenantId);
    expect(decodeJwt(token)).toMatchObject({
      tid: tenantId,
      aud: 'https://vault.azure.net',
      iss: `${emulator.authorityHost}/${tenantId}/`,
      appid: emulator.appId,
      ver: '1.0',
    });
  });

  test('a wrong secret is 7000215', async () => {
    expect(await failureOf(signIn(tenantId, 'not-it'))).toMatchObject({ aadsts: 7000215 });
  });

  test('an expired secret is 7000222, a removed one 7000215', async () => {
    const { keyId, value } = await emulator.control.addAppSecret();
    await emulator.control.expireAppSecret({ keyId });
    expect(await failureOf(signIn(tenantId, value))).toMatchObject({ aadsts: 7000222 });
    await emulator.control.removeAppSecret({ keyId });
    expect(await failureOf(signIn(tenantId, value))).toMatchObject({ aadsts: 7000215 });
  });

  test('a tenant without the app is 700016 until it is added', async () => {
    const adatum = customerNamed(emulator, 'adatum').tenantId;
    expect(await failureOf(signIn(adatum))).toMatchObject({ aadsts: 700016 });
    await emulator.control.addApp({ tenant: 'adatum' });
    expect(await signIn(adatum)).toHaveProperty('token');
  });

  test('a disabled app is 7000112, but its issued tokens still work', async () => {
    const client = await keyClientOf(emulator, 'contoso');
    await client.getKey('data');
    await emulator.control.disableApp({ tenant: 'contoso' });
    expect(await failureOf(signIn(tenantId))).toMatchObject({ aadsts: 7000112 });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
    await emulator.control.enableApp({ tenant: 'contoso' });
    expect(await signIn(tenantId)).toHaveProperty('token');
  });

  test('a block by Conditional Access is 53003 until it ends', async () => {
    await emulator.control.blockByConditionalAccess({ tenant: 'contoso' });
    expect(await failureOf(signIn(tenantId))).toMatchObject({ aadsts: 53003 });
    await emulator.control.unblock({ tenant: 'contoso' });
    expect(await signIn(tenantId)).toHaveProperty('token');
  });

  test('an app that was removed and added again has lost its role', async () => {
    await emulator.control.removeApp({ tenant: 'contoso' });
    expect(await failureOf(signIn(tenantId))).toMatchObject({ aadsts: 700016 });
    await emulator.control.addApp({ tenant: 'contoso' });
    const client = await keyClientOf(emulator, 'contoso');
    expect(await failureOf(client.getKey('data'))).toMatchObject({ inner: 'ForbiddenByRbac' });
    await emulator.control.grantRole({ vault: 'contoso', role: WRAP_ROLE });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('tokens last 65 minutes, or the configured time', async () => {
    const lifetime = async (): Promise<number> => {
      const { token } = await signIn(tenantId);
      const { exp = 0, iat = 0 } = decodeJwt(token);
      return exp - iat;
    };
    expect(await lifetime()).toBe(3900);
    await emulator.control.setTokenLifetime({ seconds: 600 });
    expect(await lifetime()).toBe(600);
    await emulator.control.setTokenLifetime({ seconds: 3900 });
  });
});

describe('refusals on the wire', () => {
  test('an error has every member that Entra sends', async () => {
    const { status, body } = await postForm(tokenUrl(tenantId), form({ client_secret: 'not-it' }));
    expect(status).toBe(401);
    expect(body).toEqual({
      error: 'invalid_client',
      error_description: expect.stringMatching(
        /^AADSTS7000215: .* Trace ID: \S+ Correlation ID: \S+ Timestamp: \S+ \S+Z$/,
      ),
      error_codes: [7000215],
      timestamp: expect.any(String),
      trace_id: expect.any(String),
      correlation_id: expect.any(String),
      error_uri: expect.any(String),
    });
  });

  test.each([
    ['no credential', { client_secret: '' }, 7000216],
    ['an assertion without its type', { client_assertion: 'a.b.c' }, 7000218],
    ['something that is no JWT', { client_assertion: 'a', client_assertion_type: ASSERTION_TYPE }, 50027],
    ['a scope that is not /.default', { scope: 'https://vault.azure.net/read' }, 1002012],
    ['no scope', { scope: '' }, 70011],
    ['a resource the tenant does not have', { scope: 'https://example.org/.default' }, 500011],
    ['another grant', { grant_type: 'password' }, 70003],
    ['an unknown app', { client_id: randomUUID() }, 700016],
  ])('%s', async (_what, change, number) => {
    const { body } = await postForm(tokenUrl(tenantId), form(change));
    expect(body['error_codes']).toEqual([number]);
  });

  test.each([
    ['an unknown tenant', randomUUID(), 90002],
    ['a malformed tenant', 'not_a_tenant', 900023],
    ['no tenant at all', 'common', 50059],
  ])('%s', async (_what, tenant, number) => {
    const { body } = await postForm(tokenUrl(tenant), form());
    expect(body['error_codes']).toEqual([number]);
  });

  test('a single-tenant app outside its home is 50194', async () => {
    const [caller] = emulator.callers;
    const change = { client_id: caller?.clientId ?? '', client_secret: caller?.clientSecret ?? '' };
    const { body } = await postForm(tokenUrl(tenantId), form(change));
    expect(body['error_codes']).toEqual([50194]);
  });

  test('discovery of an unknown tenant is 90002', async () => {
    const { status, body } = await fetchJson(
      `${emulator.authorityHost}/${randomUUID()}/v2.0/.well-known/openid-configuration`,
    );
    expect(status).toBe(400);
    expect(body['error_codes']).toEqual([90002]);
  });
});

describe('with a certificate', () => {
  test('a registered certificate signs in, an unregistered one is 700027', async () => {
    const { certPem, keyPem = '', thumbprint } = await emulator.control.addAppCertificate();
    const credential = () =>
      new ClientCertificateCredential(
        tenantId,
        emulator.appId,
        { certificate: `${keyPem}${certPem}` },
        authorityOptions(emulator),
      );
    expect(await credential().getToken(VAULT_SCOPE)).toHaveProperty('token');
    await emulator.control.removeAppCertificate({ thumbprint });
    expect(await failureOf(credential().getToken(VAULT_SCOPE))).toMatchObject({ aadsts: 700027 });
  });

  test.each<[string, Record<string, unknown>, number | undefined]>([
    ['RS256 with its SHA-1 thumbprint', {}, undefined],
    ['no jti', { jti: undefined }, 50027],
    ['an audience elsewhere', { aud: 'https://example.org' }, 700023],
    ['an expired one', { exp: 1_000_000_000 }, 700024],
    ['one of the future', { nbf: 4_000_000_000 }, 700024],
    ['one of another app', { iss: randomUUID() }, 700021],
  ])('a hand-made assertion: %s', async (_what, claims, number) => {
    const { certPem, keyPem = '' } = await emulator.control.addAppCertificate();
    const now = Math.floor(Date.now() / 1000);
    const assertion = await new SignJWT({
      iss: emulator.appId,
      sub: emulator.appId,
      aud: tokenUrl(tenantId),
      nbf: now,
      exp: now + 300,
      jti: randomUUID(),
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', x5t: thumbprintOf(certPem) })
      .sign(createPrivateKey(keyPem));
    const { body } = await postForm(tokenUrl(tenantId), assertionForm(assertion));
    expect(body['error_codes']).toEqual(number === undefined ? undefined : [number]);
  });

  test('a certificate stored in the home vault is there as a key and as a secret', async () => {
    const { certPem } = await emulator.control.addAppCertificate({ storeAs: 'app-cert' });
    const { publicKey } = new X509Certificate(certPem);
    await emulator.control.grantRole({ vault: 'home', role: 'Key Vault Crypto User', principal: 'managed-identity' });
    const { body: identity } = await fetchJson(
      `${emulator.managedIdentity.endpoint}?api-version=2019-08-01&resource=https://vault.azure.net`,
      { headers: { 'x-identity-header': emulator.managedIdentity.header } },
    );
    const headers = { authorization: `Bearer ${String(identity['access_token'])}` };
    const key = await fetchJson(`${emulator.homeVaultUrl}/keys/app-cert?api-version=7.6`, { headers });
    const secretOfIt = await fetchJson(`${emulator.homeVaultUrl}/secrets/app-cert?api-version=7.6`, { headers });
    const { n, e } = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({ format: 'jwk' });
    expect(key.body['key']).toMatchObject({ n, e });
    expect(secretOfIt.body).toMatchObject({ value: certPem, contentType: 'application/x-pem-file' });
  });
});

describe('as a managed identity with a federated credential', () => {
  const federated = (change: { resource?: string } = {}) =>
    new ClientAssertionCredential(
      tenantId,
      emulator.appId,
      async () => {
        const resource = encodeURIComponent(change.resource ?? 'api://AzureADTokenExchange');
        const { body } = await fetchJson(
          `${emulator.managedIdentity.endpoint}?api-version=2019-08-01&resource=${resource}`,
          { headers: { 'x-identity-header': emulator.managedIdentity.header } },
        );
        return String(body['access_token']);
      },
      authorityOptions(emulator),
    ).getToken(VAULT_SCOPE);

  beforeEach(async () => {
    await emulator.control.removeFederatedCredentials();
  });

  test('the matching credential signs in', async () => {
    await emulator.control.addFederatedCredential();
    expect(await federated()).toHaveProperty('token');
  });

  test.each([
    ['none at all', undefined, 700211],
    ['another subject', { subject: randomUUID() }, 700213],
    ['another audience', { audience: 'api://elsewhere' }, 700212],
    ['another issuer', { issuer: 'https://example.org/v2.0' }, 700211],
  ])('%s', async (_what, credential, number) => {
    if (credential !== undefined) await emulator.control.addFederatedCredential(credential);
    expect(await failureOf(federated())).toMatchObject({ aadsts: number });
  });

  test('a token of the right issuer with a foreign signature is 700027', async () => {
    await emulator.control.addFederatedCredential();
    const { keyPem = '' } = await emulator.control.addAppCertificate();
    const forged = await new SignJWT({ iss: `${emulator.authorityHost}/${emulator.homeTenantId}/v2.0`, sub: 'x' })
      .setProtectedHeader({ alg: 'RS256' })
      .sign(createPrivateKey(keyPem));
    const { body } = await postForm(tokenUrl(tenantId), assertionForm(forged));
    expect(body['error_codes']).toEqual([700027]);
  });
});

describe('callers of the API', () => {
  const verify = (token: string) =>
    jwtVerify(
      token,
      createRemoteJWKSet(new URL(`${emulator.authorityHost}/${emulator.homeTenantId}/discovery/v2.0/keys`)),
      {
        issuer: emulator.callerIssuer,
        audience: emulator.callerAudience,
      },
    );

  test.each([
    ['demo', 9],
    ['reader', 1],
  ])('%s signs in and has its roles', async (name, count) => {
    const caller = emulator.callers.find((candidate) => candidate.name === name);
    const { body } = await postForm(
      tokenUrl(emulator.homeTenantId),
      form({
        client_id: caller?.clientId ?? '',
        client_secret: caller?.clientSecret ?? '',
        scope: caller?.scope ?? '',
      }),
    );
    const { payload } = await verify(String(body['access_token']));
    expect(payload).toMatchObject({ azp: caller?.clientId, roles: caller?.roles, ver: '2.0' });
    expect(payload['roles']).toHaveLength(count);
  });

  test("issueCallerToken returns Entra's token, or the one that a test asks for", async () => {
    const { payload } = await verify(await emulator.issueCallerToken({ roles: ['Data.Encrypt'], subject: 'someone' }));
    expect(payload).toMatchObject({ roles: ['Data.Encrypt'], oid: 'someone', sub: 'someone' });
    const bare = decodeJwt(await emulator.issueCallerToken({ claims: { roles: undefined, aud: 'x' } }));
    expect(bare).not.toHaveProperty('roles');
    expect(bare.aud).toBe('x');
    await expect(verify(await emulator.issueCallerToken({ expiresInSeconds: -60 }))).rejects.toMatchObject({
      code: 'ERR_JWT_EXPIRED',
    });
  });

  test("their API is unknown in a customer's tenant", async () => {
    const scope = `api://${emulator.callerAudience}/.default`;
    const { body } = await postForm(tokenUrl(tenantId), form({ scope }));
    expect(body['error_codes']).toEqual([500011]);
  });
});

test('the log shows each sign-in with its place and failure, and no secret', async () => {
  emulator.control.clearRequests();
  const credential = await appCredential(emulator, 'contoso');
  await credential.getToken(VAULT_SCOPE);
  await failureOf(signIn(tenantId, 'a-wrong-secret'));
  const tokens = emulator.control.requests().filter(({ operation }) => operation === 'token');
  expect(tokens).toMatchObject([
    { at: 'entra', status: 200, tenantId, appId: emulator.appId },
    { at: 'entra', status: 401, tenantId, appId: emulator.appId, errorCode: 'AADSTS7000215' },
  ]);
  expect(JSON.stringify(emulator.control.requests())).not.toContain('a-wrong-secret');
});

const assertionForm = (assertion: string): Record<string, string> => {
  const { client_secret: _, ...rest } = form();
  return { ...rest, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion };
};

const thumbprintOf = (certPem: string): string =>
  Buffer.from(new X509Certificate(certPem).fingerprint.replaceAll(':', ''), 'hex').toString('base64url');
