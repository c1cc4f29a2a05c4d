import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ConfiguredHomeCredential } from '../../../src/azure/home/home-credential.ts';
import { codeOf, type HomeSite, startHomeSite } from '../../support/home-site.ts';

const ROLE = 'Key Vault Crypto User';

let site: HomeSite;
let name: string;
beforeAll(async () => {
  site = await startHomeSite();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});
beforeEach(async () => {
  name = `cert-${randomUUID()}`;
  await grant();
});

const grant = () => site.emulator.control.grantRole({ vault: 'home', role: ROLE, principal: 'managed-identity' });

async function vaultSigned(change: { readonly exportable?: boolean } = {}): Promise<ConfiguredHomeCredential> {
  site.pass(2);
  await site.emulator.control.addAppCertificate({ storeAs: name, ...change });
  return site.credential('vault-signed', { certificateName: name });
}

test('the vault signs and the app signs in, although no private key leaves the vault', async () => {
  const credential = await vaultSigned();
  await credential.load();
  expect(await site.signIn(credential)).toHaveProperty('token');
  expect(await credential.describe()).toMatchObject({
    kind: 'vault-signed',
    name,
    versions: [{ thumbprint: expect.stringMatching(/^[0-9A-F]{40}$/) }],
    expires: expect.any(Date),
  });
});

test('an assertion is used for the sign-ins of one directory for eight minutes, and for no other directory', async () => {
  const { control } = site.emulator;
  const credential = await vaultSigned();
  await credential.load();
  const signatures = async (signIn: () => Promise<unknown>): Promise<number> => {
    control.clearRequests();
    await signIn();
    return site.operations('home').filter((operation) => operation === 'sign').length;
  };
  expect(await signatures(() => Promise.all(Array.from({ length: 20 }, () => site.signIn(credential))))).toBe(1);
  expect(await signatures(() => site.signIn(credential))).toBe(0);
  const [, fabrikam] = site.emulator.customers;
  expect(await signatures(() => site.signIn(credential, fabrikam?.tenantId))).toBe(1);
  site.pass(8 * 60);
  expect(await signatures(() => site.signIn(credential))).toBe(1);
});

describe('load refuses', () => {
  test('without the role on the home vault, which it names; with the role, it succeeds', async () => {
    const credential = await vaultSigned();
    await site.emulator.control.removeRole({ vault: 'home', role: ROLE, principal: 'managed-identity' });
    expect(await codeOf(credential.load())).toMatchObject({
      code: 'home-credential-rejected',
      reason: 'home-vault-refused',
      fix: {
        owner: 'vendor',
        action: expect.stringContaining(ROLE),
        command: expect.stringContaining(`/keys/${name}`),
      },
    });
    await grant();
    await credential.load();
  });

  test('a key that is exportable', async () => {
    const credential = await vaultSigned({ exportable: true });
    expect(await codeOf(credential.load())).toMatchObject({
      reason: 'key-exportable',
      fix: { owner: 'vendor', command: expect.stringContaining('exportable = false') },
    });
  });

  test.each([
    ['disabled', () => site.emulator.control.disableKey({ vault: 'home', key: name })],
    ['not for signing', () => site.emulator.control.setKeyAttributes({ vault: 'home', key: name, keyOps: ['verify'] })],
    ['deleted', () => site.emulator.control.deleteKey({ vault: 'home', key: name })],
  ])('a key that is %s', async (_what, change) => {
    const credential = await vaultSigned();
    await change();
    expect(await codeOf(credential.load())).toMatchObject({ reason: 'signing-key-unusable' });
  });

  test('a vault that does not answer, as an outage', async () => {
    const credential = await vaultSigned();
    await site.emulator.control.injectFault({ at: 'home', operation: 'sign', kind: 'status', status: 503 });
    expect(await codeOf(credential.load())).toMatchObject({ code: 'vault-unavailable' });
    await site.emulator.control.clearFaults();
    await credential.load();
  });
});

test('a version whose key is disabled is replaced by the previous one, and shows once neither is usable', async () => {
  const { control } = site.emulator;
  const credential = await vaultSigned();
  await vaultSigned();
  await control.disableKey({ vault: 'home', key: name, version: await newestVersion(credential) });
  await credential.load();
  expect(await site.signIn(credential)).toHaveProperty('token');
  await control.removeAppCertificate();
  expect(await codeOf(site.signIn(credential))).toMatchObject({ reason: 'signing-key-unusable' });
});

async function newestVersion(credential: ConfiguredHomeCredential): Promise<string> {
  const { versions } = await credential.describe();
  return versions[0]?.version ?? '';
}
