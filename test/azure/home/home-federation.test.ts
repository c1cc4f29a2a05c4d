import { randomUUID } from 'node:crypto';
import { ManagedIdentityCredential } from '@azure/identity';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { clouds } from '../../../src/azure/cloud.ts';
import { codeOf, type HomeSite, startHomeSite } from '../../support/home-site.ts';

let site: HomeSite;
beforeAll(async () => {
  site = await startHomeSite();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await site.emulator.control.removeFederatedCredentials();
});

test('a managed identity that the app trusts signs in, and the home vault is not asked', async () => {
  await site.emulator.control.addFederatedCredential();
  const credential = site.credential('managed-identity');
  await credential.load();
  site.emulator.control.clearRequests();
  const { token } = await site.signIn(credential);
  expect(decodeJwt(token)).toMatchObject({ tid: site.tenantId, appid: site.emulator.appId });
  expect(site.operations('home')).toEqual([]);
});

test('each sign-in is a new one, so that a refusal shows at once', async () => {
  await site.emulator.control.addFederatedCredential();
  const credential = site.credential('managed-identity');
  await site.signIn(credential);
  await site.emulator.control.disableApp({ tenant: 'contoso' });
  await expect(site.signIn(credential)).rejects.toThrow('AADSTS7000112');
  await site.emulator.control.enableApp({ tenant: 'contoso' });
});

test.each([
  ['no federated credential', undefined],
  ['one for another subject', { subject: randomUUID() }],
  ['one for another audience', { audience: 'api://elsewhere' }],
  ['one for another issuer', { issuer: 'https://example.org/v2.0' }],
])('%s: the refusal names the values that would do, and they do', async (_what, wrong) => {
  const { control } = site.emulator;
  if (wrong) await control.addFederatedCredential(wrong);
  const credential = site.credential('managed-identity');
  const error = await codeOf(site.signIn(credential));
  const { federation } = await credential.describe();
  expect(error).toMatchObject({
    code: 'home-credential-rejected',
    reason: 'federation',
    fix: { owner: 'vendor', command: expect.stringContaining(`"subject":"${federation?.subject}"`) },
  });
  await control.addFederatedCredential(federation);
  expect(await site.signIn(credential)).toHaveProperty('token');
});

test('a machine without that identity is told so at load', async () => {
  const identity = new ManagedIdentityCredential({ clientId: randomUUID() });
  const error = await codeOf(site.credential('managed-identity', { platform: identity }).load());
  expect(error).toMatchObject({ code: 'home-credential-rejected', reason: 'no-platform-identity' });
});

test('each cloud has an audience of its own', () => {
  const audiences = Object.entries(clouds).map(([name, { exchangeAudience }]) => [name, exchangeAudience]);
  expect(Object.fromEntries(audiences)).toEqual({
    public: 'api://AzureADTokenExchange',
    usgov: 'api://AzureADTokenExchangeUSGov',
    china: 'api://AzureADTokenExchangeChina',
  });
});
