import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { PemPair } from '../state.ts';
import {
  bitString,
  type Der,
  octetString,
  oid,
  positiveInteger,
  sequence,
  set,
  tagged,
  time,
  truth,
  utf8String,
} from './der.ts';

const CA_NAME = 'Vaultspan emulator throwaway CA';
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
// Some TLS clients refuse server certificates with a lifetime above 398 days.
const LEAF_DAYS = 390;
const RENEW_BEFORE_MS = 30 * DAY_MS;

const signatureAlgorithms = {
  ec: sequence(oid('1.2.840.10045.4.3.2')),
  rsa: sequence(oid('1.2.840.113549.1.1.11'), tagged(0x05)),
};

interface CertificateRequest {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly expiresMs: number;
  readonly extensions: readonly Der[];
}

/**
 * Returns a new CA. TLS checks the wall clock, so certificates use it too, even when the emulator
 * has another `now`.
 */
export async function createCa(): Promise<PemPair> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const certPem = issue({
    subject: CA_NAME,
    issuer: CA_NAME,
    publicKey,
    signer: privateKey,
    expiresMs: Date.now() + CA_DAYS * DAY_MS,
    // keyCertSign and cRLSign
    extensions: [basicConstraints(truth), keyUsage([0x06], 1), keyIdentifier(publicKey)],
  });
  return { certPem, keyPem: toPem(privateKey) };
}

export async function createLeaf(ca: PemPair, hosts: readonly string[] = ['localhost']): Promise<PemPair> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const caKey = createPrivateKey(ca.keyPem);
  const names = [
    ...hosts.map((host) => tagged(0x82, Buffer.from(host))),
    tagged(0x87, Buffer.from([127, 0, 0, 1])),
    tagged(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])])),
  ];
  const certPem = issue({
    subject: 'localhost',
    issuer: CA_NAME,
    publicKey,
    signer: caKey,
    expiresMs: Date.now() + LEAF_DAYS * DAY_MS,
    extensions: [
      basicConstraints(),
      keyUsage([0x80], 7), // digitalSignature
      extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))), // serverAuth, clientAuth
      extension('2.5.29.17', sequence(...names)),
      authorityKeyIdentifier(ca.certPem),
    ],
  });
  return { certPem, keyPem: toPem(privateKey) };
}

/** Returns whether a certificate expires within 30 days of `now`. */
export function needsRenewal(pair: PemPair, now: number): boolean {
  return new X509Certificate(pair.certPem).validToDate.getTime() < now + RENEW_BEFORE_MS;
}

/**
 * Returns a certificate such as an app registers with Entra for its assertions. Times are epoch
 * milliseconds.
 */
export function createSelfSigned(privateKey: KeyObject, name: string, expiresMs: number): string {
  return issue({
    subject: name,
    issuer: name,
    publicKey: createPublicKey(privateKey),
    signer: privateKey,
    expiresMs,
    extensions: [keyUsage([0x80], 7)],
  });
}

function issue(request: CertificateRequest): string {
  const algorithm = signatureAlgorithms[request.signer.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'];
  const from = Math.min(Date.now(), request.expiresMs) - DAY_MS;
  const body = sequence(
    tagged(0xa0, positiveInteger(Buffer.from([2]))), // X.509 v3
    positiveInteger(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    algorithm,
    nameOf(request.issuer),
    sequence(time(new Date(from)), time(new Date(request.expiresMs))),
    nameOf(request.subject),
    request.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...request.extensions)),
  );
  const certificate = sequence(body, algorithm, bitString(sign('sha256', body, request.signer)));
  return new X509Certificate(certificate).toString();
}

const nameOf = (commonNameText: string): Der => sequence(set(sequence(oid('2.5.4.3'), utf8String(commonNameText))));

const extension = (id: string, value: Der, ...critical: readonly Der[]): Der =>
  sequence(oid(id), ...critical, octetString(value));

const basicConstraints = (...isCa: readonly Der[]): Der => extension('2.5.29.19', sequence(...isCa), truth);

const keyUsage = (bits: readonly number[], unusedBits: number): Der =>
  extension('2.5.29.15', bitString(Buffer.from(bits), unusedBits), truth);

const identifierOf = (publicKey: KeyObject): Buffer =>
  createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();

const keyIdentifier = (publicKey: KeyObject): Der => extension('2.5.29.14', octetString(identifierOf(publicKey)));

const authorityKeyIdentifier = (caPem: string): Der =>
  extension('2.5.29.35', sequence(tagged(0x80, identifierOf(new X509Certificate(caPem).publicKey))));

function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
