import { constants, type KeyObject, sign, type X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import type { AccessToken } from '@azure/core-auth';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { readForeignError } from '../foreign-error.ts';
import { type AssertionSigner, ClientAssertions } from './home-assertions.ts';
import { type Candidate, Candidates } from './home-candidates.ts';
import { parseHomeCertificate, unusable } from './home-certificate.ts';
import { type ConfiguredHomeCredential, expiryOf, type HomeCredentialDescription } from './home-credential.ts';
import { type EntraAccess, signInByAssertion } from './home-sign-in.ts';
import type { HomeVault, SecretVersion } from './home-vault.ts';
import type { VaultSigner } from './home-vault-signer.ts';

export interface CertificateOptions extends EntraAccess {
  readonly certificateName: string;
  readonly vault: Pick<HomeVault, 'versions'>;
  /** Signs in the vault; if absent, the private key is read from the vault and signs here. */
  readonly signer?: Pick<VaultSigner, 'sign'>;
  readonly clock: Clock;
  readonly onRotation: (version: string) => void;
  readonly onUnusable?: (version: string, problem: ServiceError) => void;
}

interface Registered {
  readonly certificate: X509Certificate;
  readonly signer: AssertionSigner;
  readonly assertions: ClientAssertions;
}

/**
 * A certificate of the home vault that is registered with the app. Each of its two newest versions
 * signs assertions of its own, PS256 under `x5t#S256`. They are made here. The SDK's
 * ClientCertificateCredential would parse the key and sign again for every sign-in, and does not
 * support a key that stays in a vault.
 */
export class CertificateHomeCredential implements ConfiguredHomeCredential {
  readonly #options: CertificateOptions;
  readonly #candidates: Candidates<Registered>;

  constructor(options: CertificateOptions) {
    this.#options = options;
    this.#candidates = new Candidates({
      ...options,
      name: options.certificateName,
      parse: (version) => registered(version, options),
      isRejected: isCertificateRejected,
      missing: () => noCertificate(options),
    });
  }

  /** Signs once if the vault signs, so that a missing role shows at the start. */
  async load(): Promise<void> {
    await this.#candidates.load();
    if (this.#options.signer) await this.#candidates.use(({ value }) => value.signer.sign(Buffer.from('load')));
  }

  async signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken> {
    return this.#candidates.use(async ({ value: { certificate, assertions } }) => {
      if (this.#options.clock.wallMs() >= certificate.validToDate.getTime()) throw expired(this.#options);
      const assertion = await assertions.for(entraTenantId);
      try {
        return await signInByAssertion(this.#options, { entraTenantId, scope, signal }, assertion);
      } catch (error) {
        if (readForeignError(error).aadsts === OUT_OF_TIME) assertions.forget(entraTenantId);
        throw error;
      }
    });
  }

  trouble(): string | undefined {
    return this.#candidates.trouble();
  }

  async describe(): Promise<HomeCredentialDescription> {
    const { candidates, unusable } = await this.#candidates.list();
    const versions = candidates.map(described);
    const kind = this.#options.signer ? 'vault-signed' : 'certificate';
    return { kind, name: this.#options.certificateName, versions, unusable, ...expiryOf(versions) };
  }
}

/**
 * Returns the description, with the certificate's own end, or the vault's attribute if that is
 * earlier.
 */
function described({ version, expires, value: { certificate } }: Candidate<Registered>) {
  const end = Math.min(certificate.validToDate.getTime(), expires ?? Number.POSITIVE_INFINITY);
  return { version, expires: new Date(end), thumbprint: certificate.fingerprint.replaceAll(':', '') };
}

function registered({ version, value }: SecretVersion, options: CertificateOptions): Registered {
  const { certificateName, clock } = options;
  const { certificate, privateKey } = parseHomeCertificate(certificateName, value);
  if (clock.wallMs() >= certificate.validToDate.getTime()) throw expired(options);
  const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
  const signer = { thumbprint, sign: signerOf(version, privateKey, options) };
  return { certificate, signer, assertions: new ClientAssertions({ ...options, signer }) };
}

function signerOf(
  version: string,
  key: KeyObject | undefined,
  { signer, certificateName }: CertificateOptions,
): AssertionSigner['sign'] {
  if (signer && key) {
    throw unusable('key-exportable', `The private key of ${certificateName} is exportable`, {
      action: `Create a new version of ${certificateName} whose key is not exportable, or set home.credential: certificate`,
      command: `az keyvault certificate create --vault-name <HOME-VAULT> --name ${certificateName} --policy "$(az keyvault certificate get-default-policy | jq '.keyProperties.exportable = false')"`,
    });
  }
  if (signer) return (input) => signer.sign(version, input);
  if (!key) {
    throw unusable('certificate-without-key', `The home vault returns ${certificateName} without its private key`, {
      action: `Set home.credential: vault-signed, or create a new version of ${certificateName} whose key is exportable`,
    });
  }
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return (input) => promisify(sign)('sha256', input, { key, padding, saltLength });
}

const OUT_OF_TIME = 700024;
/**
 * Not registered or wrong signature, revoked, outside its validity: for these, Microsoft's own
 * libraries reload a certificate.
 */
const CERTIFICATE_CODES: ReadonlySet<number | undefined> = new Set([700027, 7000214, 7000274, 7000277, 1000502]);

/**
 * Returns whether the app's other certificate may be right: codes of Entra, and a vault that does
 * not let this one sign.
 */
const isCertificateRejected = (error: unknown): error is Error =>
  error instanceof ServiceError
    ? error.code === 'home-credential-rejected'
    : CERTIFICATE_CODES.has(readForeignError(error).aadsts);

const expired = ({ certificateName }: CertificateOptions): ServiceError =>
  unusable('certificate-expired', `The certificate ${certificateName} has expired`, {
    action: `Create a new version of ${certificateName} in the home vault and register it with the app`,
  });

const noCertificate = ({ certificateName, appId }: CertificateOptions): ServiceError =>
  unusable('certificate-missing', 'The home vault has no usable certificate for the app', {
    action: `Create the certificate ${certificateName} in the home vault and register it with the app`,
    command: `az ad app credential reset --id ${appId} --append --cert ${certificateName} --keyvault <HOME-VAULT>`,
  });
