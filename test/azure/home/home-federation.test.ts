import { randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { clouds } from '../../../src/azure/cloud.ts';
import { platformCredential } from '../../../src/azure/home/platform-credential.ts';
import { signInFailure } from '../../../src/azure/sign-in-failures.ts';
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

test('a managed identity that the app trusts signs in, and the home vault is not called', async () => {
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
])('%s: the refusal names the right values, and they work', async (_what, wrong) => {
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

test('a machine without that identity gets an error at load', async () => {
  const platform = platformCredential({
    identity: 'managed-identity',
    managedIdentityClientId: randomUUID(),
    authorityHost: site.emulator.authorityHost,
    deadlineMs: 5_000,
  });
  const error = await codeOf(site.credential('managed-identity', { platform }).load());
  expect(error).toMatchObject({ code: 'home-credential-rejected', reason: 'no-platform-identity' });
});

test('a system-assigned identity, which no app can trust, is refused at load', async () => {
  const resource = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m';
  const token = await site.emulator.issueCallerToken({ claims: { xms_mirid: resource } });
  const platform = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 60_000 }) };
  expect(await codeOf(site.credential('managed-identity', { platform }).load())).toMatchObject({
    code: 'home-credential-rejected',
    reason: 'system-assigned-identity',
    fix: { owner: 'vendor' },
  });
});

test('a chain of federated credentials, such as a managed identity on AKS, is told to use the workload identity', async () => {
  await site.emulator.control.addFederatedCredential();
  await site.emulator.control.injectFault({
    at: 'entra',
    operation: 'token',
    kind: 'status',
    code: '700231',
    times: 1,
  });
  const error = await site.signIn(site.credential('managed-identity')).catch((cause: unknown) => cause);
  expect(signInFailure(error, { appId: site.emulator.appId, entraTenantId: site.tenantId })).toMatchObject({
    code: 'home-credential-rejected',
    reason: 'federation',
    fix: { action: expect.stringContaining('home.credential: workload-identity') },
  });
});

describe('the workload identity of a pod', () => {
  const issuer = 'https://westeurope.oic.prod-aks.azure.com/cluster/';
  const subject = 'system:serviceaccount:vaultspan:vaultspan';
  const audience = 'api://AzureADTokenExchange';
  let federatedTokenFile: string;
  beforeEach(async () => {
    federatedTokenFile = join(await mkdtemp(join(tmpdir(), 'vaultspan-')), 'token');
  });
  const project = async (claims: Record<string, unknown> = {}) => {
    const token = await site.emulator.issueCallerToken({
      claims: { iss: issuer, sub: subject, aud: audience, ...claims },
    });
    await writeFile(federatedTokenFile, `${token}\n`);
  };

  test('signs in with its projected token itself, which is read again each time', async () => {
    await site.emulator.control.addFederatedCredential({ issuer, subject, audience });
    const credential = site.credential('workload-identity', { federatedTokenFile });
    await project({ exp: 1 });
    await expect(site.signIn(credential)).rejects.toThrow('AADSTS700024');
    await project();
    expect(decodeJwt((await site.signIn(credential)).token)).toMatchObject({ appid: site.emulator.appId });
    expect(await credential.describe()).toMatchObject({
      kind: 'workload-identity',
      federation: { issuer, subject, audience },
    });
  });

  test('that the app does not trust is refused with the right values', async () => {
    await project();
    expect(await codeOf(site.signIn(site.credential('workload-identity', { federatedTokenFile })))).toMatchObject({
      code: 'home-credential-rejected',
      reason: 'federation',
      fix: { command: expect.stringContaining(subject) },
    });
  });

  test.each([['absent'], ['no token']])('whose token is %s is refused at load', async (how) => {
    if (how !== 'absent') await writeFile(federatedTokenFile, 'no token\n');
    expect(await codeOf(site.credential('workload-identity', { federatedTokenFile }).load())).toMatchObject({
      code: 'home-credential-rejected',
      reason: 'no-platform-identity',
    });
  });
});

test('each cloud has an audience of its own', () => {
  const audiences = Object.entries(clouds).map(([name, { exchangeAudience }]) => [name, exchangeAudience]);
  expect(Object.fromEntries(audiences)).toEqual({
    public: 'api://AzureADTokenExchange',
    usgov: 'api://AzureADTokenExchangeUSGov',
    china: 'api://AzureADTokenExchangeChina',
  });
});
