import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { AzureAuthorityHosts } from '@azure/identity';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type CloudName, clouds } from '../../../src/azure/cloud.ts';
import { ClientSecretHomeCredential } from '../../../src/azure/home/home-credential.ts';
import { KeyVault } from '../../../src/azure/vault/key-vault.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { parseTenantList } from '../../../src/tenants/tenant-list.ts';
import { type AzureNames, startAzureNames } from '../../support/azure-names.ts';
import { configOf } from '../../support/config.ts';
import { codeOf } from '../../support/home-site.ts';
import { record } from '../../support/make-tenant.ts';

const TENANT = '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3';
const CLOUDS: readonly CloudName[] = ['public', 'usgov', 'china'];
const SUFFIXES = CLOUDS.flatMap((name) =>
  (['vaultSuffix', 'managedHsmSuffix'] as const).map((member) => ({ name, suffix: clouds[name][member] })),
);

const hostsOf = (name: CloudName) => {
  const callers = [{ issuer: 'https://issuer.example/', audience: ['api'] }];
  const home = { tenantId: TENANT, appId: TENANT, vaultUrl: 'https://home.vault.azure.net' };
  return configOf({ callers, home, cloud: { name } }).vaultHosts;
};

let names: AzureNames;
let vault: Server;
/** The resource in the vault's challenge. */
let resource: string;
beforeAll(async () => {
  names = await startAzureNames(SUFFIXES.map(({ suffix }) => `contoso${suffix}`));
  vault = createServer({ cert: names.leaf.certPem, key: names.leaf.keyPem }, (_request, response) => {
    const challenge = `Bearer authorization="https://login.example.org/${TENANT}", resource="${resource}"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
  });
  await new Promise<void>((resolve) => vault.listen(0, resolve));
  for (const { suffix } of SUFFIXES) names.route(`contoso${suffix}`, (vault.address() as AddressInfo).port);
});
beforeEach(() => {
  names.asked.length = 0;
});
afterAll(async () => {
  vault.closeAllConnections();
  vault.close();
  await names[Symbol.asyncDispose]();
});

/**
 * China has two names for one authority: the SDK publishes the old one, and MSAL always calls the
 * new one.
 */
const CHINA = 'login.partner.microsoftonline.cn';

test('the authorities are those that the SDK publishes', () => {
  expect(clouds.public.authorityHost).toBe(AzureAuthorityHosts.AzurePublicCloud);
  expect(clouds.usgov.authorityHost).toBe(AzureAuthorityHosts.AzureGovernment);
  expect([AzureAuthorityHosts.AzureChina, `https://${CHINA}`]).toContain(clouds.china.authorityHost);
});

test.each([
  ['public', clouds.public.authorityHost, 'login.microsoftonline.com'],
  ['usgov', clouds.usgov.authorityHost, 'login.microsoftonline.us'],
  ['china', clouds.china.authorityHost, CHINA],
  ['custom', 'https://login.example.org', 'login.example.org'],
])('%s: a sign-in at %s calls %s and no other host', async (_name, authorityHost, host) => {
  const home = new ClientSecretHomeCredential({
    appId: TENANT,
    authorityHost,
    secretName: 'secret',
    vault: {
      versions: async () => ({
        usable: [{ version: '1', value: 'secret', created: 0, expires: undefined }],
        unusable: [],
      }),
    },
    unsafeAllowEmulator: false,
    clock: systemClock,
    onRotation: () => undefined,
  });
  await codeOf(home.signIn(TENANT, 'https://vault.azure.net/.default', AbortSignal.timeout(10_000)));
  expect(new Set(names.asked)).toEqual(new Set([`${host}:443`]));
});

describe("a vault's sign-in is for the resource of its own cloud and kind", () => {
  const scopes: string[] = [];
  const keyVault = new KeyVault({
    signIns: {
      appId: TENANT,
      signIn: async (_entraTenantId, scope) => {
        scopes.push(scope);
        throw new TypeError('no more than the scope is wanted');
      },
    },
    unsafeAllowEmulator: false,
    deadlineMs: 5_000,
    revocationBoundMs: 300_000,
    clock: systemClock,
  });
  beforeEach(() => {
    scopes.length = 0;
  });

  const read = (vaultUrl: string, name: CloudName) => {
    const keys = { data: { vaultUrl, name: 'data', use: 'data' } };
    const hosts = hostsOf(name);
    const [tenant] = parseTenantList({ tenants: [record({ keys })] }, hosts, '2026-11-22T00:00:00Z').values();
    if (!tenant) throw new Error('no tenant');
    return keyVault.readKey(tenant, { vaultUrl, name: 'data' });
  };

  test.each(SUFFIXES)('$name $suffix', async ({ name, suffix }) => {
    resource = `https://${suffix.slice(1)}`;
    await codeOf(read(`https://contoso${suffix}`, name));
    expect(new Set(names.asked)).toEqual(new Set([`contoso${suffix}:443`]));
    expect(new Set(scopes)).toEqual(new Set([`${resource}/.default`]));
  });

  test.each(SUFFIXES)('$name $suffix: a challenge that names another resource gets no sign-in', async (of) => {
    resource = 'https://vault.example.org';
    await codeOf(read(`https://contoso${of.suffix}`, of.name));
    expect(scopes).toEqual([]);
  });

  test.each(CLOUDS)(
    '%s: vaults of the other clouds, and addresses that only look like one, are not registered',
    (name) => {
      const { vaultSuffix, managedHsmSuffix } = clouds[name];
      const { accept } = hostsOf(name);
      const own = SUFFIXES.filter((of) => of.name === name).map(({ suffix }) => suffix);
      expect(SUFFIXES.map(({ suffix }) => suffix).filter((suffix) => accept(`https://contoso${suffix}`))).toEqual(own);
      for (const suffix of [vaultSuffix, managedHsmSuffix]) {
        expect(accept(`https://contoso${suffix}.example.org`)).toBe(false);
        expect(accept(`https://contoso${suffix.slice(1)}`)).toBe(false);
        expect(accept(`https://${suffix.slice(1)}`)).toBe(false);
      }
    },
  );
});
