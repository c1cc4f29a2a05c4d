import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { defined } from '../../lib/defined.ts';

/** Paths of the listener's PEM files. */
export interface CertificateFiles {
  /** The server's own certificate first, then the issuers between it and the root. */
  readonly certificateFile: string;
  /** Its private key, not encrypted. */
  readonly keyFile: string;
  /** CAs; every client must present a certificate of one of them (mutual TLS). */
  readonly clientCaFile?: string | undefined;
}

/** The listener's certificate and key, checked to match. */
export interface Certificate {
  readonly context: SecureContextOptions;
  readonly subject: string;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** The files cannot be used; the message names the file and the fix. It never quotes them. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** TLS 1.3 if the client supports it. */
const MIN_VERSION = 'TLSv1.2';
/**
 * Under TLS 1.2 only suites with forward secrecy and AEAD (RFC 9325 §4.2); Node's own list also has
 * CBC and RSA key exchange.
 */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/**
 * Returns the certificate. Dates are not checked: an expired one still serves clients that accept
 * it.
 * @throws CertificateError
 */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const { certificateFile, keyFile, clientCaFile } = files;
  const cert = await readText('http.certificateFile', certificateFile);
  const key = await readText('http.keyFile', keyFile);
  const [leaf] = certificatesIn('http.certificateFile', certificateFile, cert);
  if (!leaf.checkPrivateKey(privateKeyIn(keyFile, key))) {
    throw new CertificateError(
      `http.keyFile: ${keyFile} is not the key of the first certificate in ${certificateFile}. Put the server's own certificate first and its issuers after it, or name the key that it was issued for`,
    );
  }
  const ca = clientCaFile === undefined ? undefined : await readText('http.clientCaFile', clientCaFile);
  if (ca !== undefined && clientCaFile !== undefined) certificatesIn('http.clientCaFile', clientCaFile, ca);
  const context = defined({ cert, key, minVersion: MIN_VERSION, ciphers: CIPHERS, ca });
  assertUsable(context, certificateFile);
  return { context, subject: leaf.subject, validFrom: leaf.validFromDate, validTo: leaf.validToDate };
}

/** Returns the paths to watch for changes. */
export const pathsOf = ({ certificateFile, keyFile, clientCaFile }: CertificateFiles): readonly string[] => [
  certificateFile,
  keyFile,
  ...(clientCaFile === undefined ? [] : [clientCaFile]),
];

async function readText(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const code = Error.isError(cause) && 'code' in cause ? String(cause.code) : 'unknown';
    const hint = code === 'EACCES' ? '; make it readable for the user that runs the service' : '';
    throw new CertificateError(`${setting}: ${path} cannot be read (${code})${hint}`, { cause });
  }
}

function certificatesIn(setting: string, path: string, text: string): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...others] = (text.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
    if (first) return [first, ...others];
  } catch (cause) {
    throw new CertificateError(`${setting}: ${path} contains a certificate that cannot be read`, { cause });
  }
  throw new CertificateError(`${setting}: ${path} contains no PEM certificate`);
}

function privateKeyIn(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    const isEncrypted = /^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(text);
    const trouble = isEncrypted ? 'is encrypted: store it decrypted (openssl pkey)' : 'contains no PEM private key';
    throw new CertificateError(`http.keyFile: ${path} ${trouble}`, { cause });
  }
}

/**
 * Checks that OpenSSL accepts the files. It has rules of its own, such as the least size of a key.
 * @throws CertificateError
 */
function assertUsable(context: SecureContextOptions, path: string): void {
  try {
    createSecureContext(context);
  } catch (cause) {
    const code = Error.isError(cause) && 'code' in cause ? String(cause.code) : 'unknown';
    throw new CertificateError(`http.certificateFile: ${path} cannot be used for TLS (${code})`, { cause });
  }
}
