import { randomUUID, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import {
  bareDer,
  certificatePem,
  ecPem,
  pfxAes,
  pfxRc2,
  pfxTripleDes,
  pfxWithoutKey,
  pfxWithPassword,
  privateKeyPem,
} from '../../support/home-certificates.ts';
import { CERTIFICATE, codeOf, type HomeSite, startHomeSite } from '../../support/home-site.ts';

let site: HomeSite;
beforeAll(async () => {
  site = await startHomeSite();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

/** Returns a new name for each test, with these values as its versions, oldest first. */
async function stored(...values: readonly string[]): Promise<string> {
  const name = `cert-${randomUUID()}`;
  for (const value of values) {
    site.pass(2);
    await site.emulator.control.setSecret({ vault: 'home', name, value });
  }
  return name;
}

const certificateCredential = (certificateName: string) => site.credential('certificate', { certificateName });

describe('a registered certificate signs in', () => {
  beforeAll(async () => {
    await site.emulator.control.addAppCertificate({ certPem: certificatePem });
  });

  test.each([
    ['PEM, key first', `${privateKeyPem}${certificatePem}`],
    [
      'PEM, the certificate after one of its chain',
      `${ecPem.slice(ecPem.indexOf('-----BEGIN CERT'))}${certificatePem}${privateKeyPem}`,
    ],
    ['a PFX encrypted with AES', pfxAes],
    ['a PFX encrypted with 3DES', pfxTripleDes],
  ])('stored as %s', async (_what, value) => {
    const credential = certificateCredential(await stored(value));
    await credential.load();
    const { token } = await site.signIn(credential);
    expect(decodeJwt(token)).toMatchObject({ tid: site.tenantId, appid: site.emulator.appId, appidacr: '2' });
  });

  test('describe returns its thumbprint and its expiry', async () => {
    const name = await stored(pfxAes);
    const { fingerprint, validToDate } = new X509Certificate(certificatePem);
    const versions = [
      { version: expect.any(String), expires: validToDate, thumbprint: fingerprint.replaceAll(':', '') },
    ];
    expect(await certificateCredential(name).describe()).toEqual({
      kind: 'certificate',
      name,
      versions,
      unusable: [],
      expires: validToDate,
    });
  });

  test('a newer version that cannot be opened is left out, and the older one is used', async () => {
    const credential = certificateCredential(await stored(pfxAes, 'no certificate at all'));
    await credential.load();
    expect(site.problems).toContain('certificate-malformed');
    expect(await site.signIn(credential)).toHaveProperty('token');
  });
});

describe('load refuses at once', () => {
  test.each([
    ['nothing', [], 'certificate-missing'],
    ['text', ['no certificate at all'], 'certificate-malformed'],
    ['a key alone', [privateKeyPem], 'certificate-malformed'],
    ['a PFX with a password', [pfxWithPassword], 'certificate-malformed'],
    ['a PFX encrypted with RC2', [pfxRc2], 'certificate-malformed'],
    ['PEM without its key', [certificatePem], 'certificate-without-key'],
    ['a PFX without its key', [pfxWithoutKey], 'certificate-without-key'],
    ['bare DER', [bareDer], 'certificate-without-key'],
    ['a certificate of an elliptic curve', [ecPem], 'certificate-key-type'],
  ])('%s', async (_what, values, reason) => {
    const error = await codeOf(certificateCredential(await stored(...values)).load());
    expect(error).toMatchObject({
      code: 'home-credential-rejected',
      reason,
      fix: { owner: 'vendor', action: expect.any(String) },
    });
  });

  test('an expired certificate whose secret has no expiry', async () => {
    const { certPem, keyPem = '' } = await site.emulator.control.addAppCertificate({ expiresInSeconds: -60 });
    const error = await codeOf(certificateCredential(await stored(`${keyPem}${certPem}`)).load());
    expect(error).toMatchObject({ code: 'home-credential-rejected', reason: 'certificate-expired' });
  });
});

describe('a sign-in is refused', () => {
  test('by Entra, with a certificate that is not registered, until it is', async () => {
    const { control } = site.emulator;
    const { certPem, thumbprint } = await control.addAppCertificate({ storeAs: CERTIFICATE, exportable: true });
    const credential = site.credential('certificate');
    await control.removeAppCertificate({ thumbprint });
    await expect(site.signIn(credential)).rejects.toThrow('AADSTS700027');
    await control.addAppCertificate({ certPem });
    expect(await site.signIn(credential)).toHaveProperty('token');
  });

  test('here, with a certificate that has expired since it was loaded, until there is a new one', async () => {
    const name = `cert-${randomUUID()}`;
    const add = (expiresInSeconds: number) =>
      site.emulator.control.addAppCertificate({ storeAs: name, exportable: true, expiresInSeconds });
    await add(60);
    const credential = certificateCredential(name);
    await site.signIn(credential);
    site.pass(61);
    expect(await codeOf(site.signIn(credential))).toMatchObject({ reason: 'certificate-expired' });
    site.pass(11);
    await add(3_600);
    expect(await site.signIn(credential)).toHaveProperty('token');
  });

  test('by Entra, if only its clock shows that the certificate has expired', async () => {
    const name = `cert-${randomUUID()}`;
    await site.emulator.control.addAppCertificate({ storeAs: name, exportable: true, expiresInSeconds: 60 });
    const credential = certificateCredential(name);
    await site.signIn(credential);
    site.azureClock.advance(61);
    await expect(site.signIn(credential)).rejects.toThrow('AADSTS700027');
    site.clock.advance(61);
  });

  test('by Entra, while the clock of this machine is wrong, and no longer', async () => {
    const credential = certificateCredential(await stored(pfxAes));
    await credential.load();
    site.clock.advance(3_600);
    await expect(site.signIn(credential)).rejects.toThrow('AADSTS700024');
    site.clock.advance(-3_600);
    expect(await site.signIn(credential)).toHaveProperty('token');
  });
});
