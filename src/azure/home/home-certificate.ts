import crypto, { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';

/**
 * A certificate as the home vault stores it in a secret; the private key is included only if the
 * vault may export it.
 */
export interface HomeCertificate {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject | undefined;
}

type ParsePkcs12 = (
  bundle: Uint8Array,
  options: { readonly passphrase: string },
) => {
  readonly privateKey: KeyObject | null;
  readonly certificate: X509Certificate | null;
  readonly additionalCertificates: readonly X509Certificate[];
};
// Node 26 has it, but its types (26.6.6) do not yet; a named import would prevent a Node without it
// from starting at all.
const { parsePKCS12 } = crypto as { readonly parsePKCS12?: ParsePkcs12 };

const MIN_RSA_BITS = 2_048;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN (?:RSA )?PRIVATE KEY-----[^-]+-----END (?:RSA )?PRIVATE KEY-----/;

/**
 * Returns the certificate in PEM (`application/x-pem-file`), a PFX in base64
 * (`application/x-pkcs12`), or a bare certificate in base64. The value shows which it is, whatever
 * its content type is.
 * @throws ServiceError `home-credential-rejected`
 */
export function parseHomeCertificate(name: string, value: string): HomeCertificate {
  const { certificates, privateKey } = parts(name, value);
  const [first] = certificates;
  const own = privateKey ? certificates.find((candidate) => candidate.checkPrivateKey(privateKey)) : first;
  if (!own) throw malformed(name);
  if (own.publicKey.asymmetricKeyType !== 'rsa' || rsaBits(own) < MIN_RSA_BITS) {
    throw unusable('certificate-key-type', `The key of certificate ${name} is not RSA of at least 2048 bits`, {
      action: `Create a new version of the certificate ${name} with an RSA key of at least 2048 bits`,
    });
  }
  return { certificate: own, privateKey };
}

interface Parts {
  readonly certificates: readonly X509Certificate[];
  readonly privateKey: KeyObject | undefined;
}

function parts(name: string, value: string): Parts {
  try {
    return value.includes('-----BEGIN') ? pemParts(value) : binaryParts(Buffer.from(value, 'base64'));
  } catch (error) {
    throw error instanceof ServiceError ? error : malformed(name, error);
  }
}

function pemParts(pem: string): Parts {
  const [key] = PRIVATE_KEY.exec(pem) ?? [];
  return {
    certificates: [...pem.matchAll(CERTIFICATE)].map(([text]) => new X509Certificate(text)),
    privateKey: key === undefined ? undefined : createPrivateKey(key),
  };
}

function binaryParts(bytes: Buffer): Parts {
  const certificate = bareCertificate(bytes);
  if (certificate) return { certificates: [certificate], privateKey: undefined };
  if (!parsePKCS12) throw new TypeError('this Node.js has no crypto.parsePKCS12');
  const bundle = parsePKCS12(bytes, { passphrase: '' }); // Key Vault's PFX has an empty one
  const own = bundle.certificate ? [bundle.certificate] : [];
  return { certificates: [...own, ...bundle.additionalCertificates], privateKey: bundle.privateKey ?? undefined };
}

function bareCertificate(bytes: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes);
  } catch {
    return undefined; // it is a PFX, or invalid
  }
}

const rsaBits = ({ publicKey }: X509Certificate): number => publicKey.asymmetricKeyDetails?.modulusLength ?? 0;

// OpenSSL's own text stays in the cause.
const malformed = (name: string, cause?: unknown): ServiceError =>
  unusable('certificate-malformed', `A version of ${name} is not a readable certificate`, {
    action: `Store ${name} as PEM (content type application/x-pem-file), or as a PFX without password that is encrypted with AES: RC2, as in old exports, is not supported`,
    cause,
  });

/** Returns the failure of an unusable version; `action` is the vendor's fix. */
export function unusable(
  reason: string,
  detail: string,
  { action, command, cause }: { readonly action: string; readonly command?: string; readonly cause?: unknown },
): ServiceError {
  return new ServiceError('home-credential-rejected', detail, {
    reason,
    retryAfter: 10,
    fix: defined({ owner: 'vendor', action, command }),
    cause,
  });
}
