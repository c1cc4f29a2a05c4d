import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { defined } from '../../lib/defined.ts';

/** PEM files of the listener. */
export interface CertificateFiles {
  /** The server's own certificate first, then the issuers between it and the root. */
  readonly certificateFile: string;
  /** Its private key, not encrypted. */
  readonly keyFile: string;
  /** Authorities of which every client must show a certificate (mutual TLS). */
  readonly clientCaFile?: string | undefined;
}

/** What the listener needs, known to fit together. */
export interface Certificate {
  readonly context: SecureContextOptions;
  readonly subject: string;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** The files can't serve; the message says which one and what to do. It never quotes them. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** TLS 1.3 where the client has it. Ciphers are Node's own, which follow what is found weak. */
const MIN_VERSION = 'TLSv1.2';

/** Dates are not judged here: an expired certificate still serves those who accept it. @throws CertificateError */
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
  const context = defined({ cert, key, minVersion: MIN_VERSION, ca });
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
    const hint = code === 'EACCES' ? '; let the user that runs the service read it' : '';
    throw new CertificateError(`${setting}: ${path} can't be read (${code})${hint}`, { cause });
  }
}

function certificatesIn(setting: string, path: string, text: string): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...others] = (text.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
    if (first) return [first, ...others];
  } catch (cause) {
    throw new CertificateError(`${setting}: ${path} holds a certificate that can't be read`, { cause });
  }
  throw new CertificateError(`${setting}: ${path} holds no certificate in PEM`);
}

function privateKeyIn(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    const isEncrypted = /^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(text);
    const trouble = isEncrypted ? 'is encrypted: store it decrypted (openssl pkey)' : 'holds no private key in PEM';
    throw new CertificateError(`http.keyFile: ${path} ${trouble}`, { cause });
  }
}

/** OpenSSL's own judgement, such as of a key that is too small. */
function assertUsable(context: SecureContextOptions, path: string): void {
  try {
    createSecureContext(context);
  } catch (cause) {
    const code = Error.isError(cause) && 'code' in cause ? String(cause.code) : 'unknown';
    throw new CertificateError(`http.certificateFile: ${path} can't serve TLS (${code})`, { cause });
  }
}
