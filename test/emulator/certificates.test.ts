import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { createCa, createLeaf, needsRenewal } from '../../src/emulator/x509/certificates.ts';

test('the server certificate is signed by the CA and valid for every name of loopback', async () => {
  const ca = await createCa();
  const leaf = await createLeaf(ca);
  const issuer = new X509Certificate(ca.certPem);
  const certificate = new X509Certificate(leaf.certPem);
  expect(certificate.checkIssued(issuer)).toBe(true);
  expect(certificate.verify(issuer.publicKey)).toBe(true);
  expect(issuer.ca).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkIP('::1')).toBe('::1');
  expect(certificate.checkHost('example.org')).toBeUndefined();
});

test('a certificate of another CA is rejected', async () => {
  const [ca, other] = await Promise.all([createCa(), createCa()]);
  const certificate = new X509Certificate((await createLeaf(ca)).certPem);
  expect(certificate.verify(new X509Certificate(other.certPem).publicKey)).toBe(false);
});

test('it is renewed before it expires', async () => {
  const leaf = await createLeaf(await createCa());
  expect(needsRenewal(leaf, Date.now())).toBe(false);
  const end = new X509Certificate(leaf.certPem).validToDate.getTime();
  expect(needsRenewal(leaf, end - 86_400_000)).toBe(true);
});
