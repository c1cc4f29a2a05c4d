import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CERTIFICATE, type HomeSite, startHomeSite, underLoad } from '../../support/home-site.ts';

let site: HomeSite;
beforeAll(async () => {
  site = await startHomeSite();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

test('a client secret rotated twice during 200 concurrent sign-ins fails none of them', async () => {
  const { control } = site.emulator;
  const credential = site.credential('client-secret');
  await credential.load();
  const rotate = async (): Promise<void> => {
    const old = (await control.listAppSecrets()).map(({ keyId }) => keyId);
    site.pass(2);
    await control.addAppSecret({ storeInHomeVault: true });
    for (const keyId of old) await control.removeAppSecret({ keyId });
  };
  const { done, failures } = await underLoad(() => site.signIn(credential), {
    total: 600,
    atOnce: 200,
    meanwhile: async () => {
      await rotate();
      await site.signIn(credential);
      await rotate(); // within the cool-down of a reread without a change, which the first reread was not
    },
  });
  expect(failures).toEqual([]);
  expect(done).toBeGreaterThanOrEqual(600);
  expect(site.rotations).toHaveLength(3);
}, 120_000);

test.each(['certificate', 'vault-signed'] as const)(
  '%s: a certificate rotated during 100 concurrent sign-ins fails none of them',
  async (kind) => {
    const { control } = site.emulator;
    await control.grantRole({ vault: 'home', role: 'Key Vault Crypto User', principal: 'managed-identity' });
    const add = async () => {
      site.pass(2);
      return control.addAppCertificate({ storeAs: `${CERTIFICATE}-${kind}`, exportable: kind === 'certificate' });
    };
    const { thumbprint } = await add();
    const credential = site.credential(kind, { certificateName: `${CERTIFICATE}-${kind}` });
    await credential.load();
    const { done, failures } = await underLoad(() => site.signIn(credential), {
      total: 200,
      atOnce: 100,
      meanwhile: async () => {
        await add();
        await control.removeAppCertificate({ thumbprint });
      },
    });
    expect(failures).toEqual([]);
    expect(done).toBeGreaterThanOrEqual(200);
  },
  120_000,
);

test('a rotation in the wrong order fails, and recovers as soon as the vault has the new secret', async () => {
  const { control } = site.emulator;
  const credential = site.credential('client-secret');
  await credential.load();
  await control.removeAppSecret();
  await expect(site.signIn(credential)).rejects.toThrow('AADSTS7000215');
  site.pass(11);
  await control.addAppSecret({ storeInHomeVault: true });
  expect(await site.signIn(credential)).toHaveProperty('token');
});

test('a vault without a new version is not read for every rejected sign-in', async () => {
  const credential = site.credential('client-secret');
  await credential.load();
  await site.emulator.control.removeAppSecret();
  site.emulator.control.clearRequests();
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => site.signIn(credential)));
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  await expect(site.signIn(credential)).rejects.toThrow('AADSTS7000215');
  expect(site.operations('home').filter((operation) => operation === 'getSecretVersions')).toHaveLength(1);
});
