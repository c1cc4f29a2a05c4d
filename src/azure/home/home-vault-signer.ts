import { createHash } from 'node:crypto';
import type { TokenCredential } from '@azure/core-auth';
import { type CryptographyClient, KeyClient } from '@azure/keyvault-keys';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { type AzureObserver, type CallOutcome, tokenOutcome, withOutcome } from '../call-outcomes.ts';
import { withinDeadline } from '../deadline.ts';
import { type ForeignError, isRefusedByVault, readForeignError } from '../foreign-error.ts';
import { vaultClientOptions } from '../sdk-http.ts';

export interface VaultSignerOptions {
  readonly vaultUrl: string;
  readonly keyName: string;
  /** Whether the key is a certificate's, which in Key Vault has the same name. */
  readonly isCertificate: boolean;
  readonly algorithm: 'PS256' | 'ES256';
  /** The platform's identity. */
  readonly credential: TokenCredential;
  readonly unsafeAllowEmulator: boolean;
  readonly deadlineMs: number;
  readonly observer?: AzureObserver | undefined;
}

/** Signs with a key of the home vault, which never leaves it. */
export class VaultSigner {
  readonly #options: VaultSignerOptions;
  readonly #keys: KeyClient;
  readonly #clients = new Map<string, Promise<CryptographyClient>>();

  constructor(options: VaultSignerOptions) {
    this.#options = options;
    this.#keys = new KeyClient(options.vaultUrl, options.credential, vaultClientOptions(options));
  }

  /**
   * Returns the signature of one version of the key, in the form of JWS (RFC 7518 §3).
   * @throws ServiceError `home-credential-rejected` when the vault refuses, `vault-unavailable`
   */
  async sign(keyVersion: string, input: Buffer): Promise<Uint8Array> {
    const digest = createHash('sha256').update(input).digest();
    const { algorithm, deadlineMs, observer } = this.#options;
    const call = async (abortSignal: AbortSignal) => {
      const client = await this.#client(keyVersion, abortSignal);
      return (await client.sign(algorithm, digest, { abortSignal })).result;
    };
    try {
      return await withOutcome(
        () => withinDeadline(deadlineMs, call, (error) => (readForeignError(error).status ?? 500) >= 500),
        (error) => signOutcome(error, this.#options),
        (outcome, seconds) => observer?.vaultCall('sign', outcome, seconds),
      );
    } catch (error) {
      throw signerFailure(error, this.#options);
    }
  }

  /**
   * Returns the client after a first read, which runs alone: it gets the vault's challenge, which
   * concurrent signatures could not handle.
   */
  #client(keyVersion: string, abortSignal: AbortSignal): Promise<CryptographyClient> {
    return this.#clients.getOrInsertComputed(keyVersion, async () => {
      try {
        const { keyName } = this.#options;
        const { keyOperations = [] } = await this.#keys.getKey(keyName, { version: keyVersion, abortSignal });
        if (!keyOperations.includes('sign')) throw new NoSigningKeyError('the key may not sign');
        return this.#keys.getCryptographyClient(keyName, { keyVersion });
      } catch (error) {
        this.#clients.delete(keyVersion);
        throw error;
      }
    });
  }
}

/** The SDK would detect this by itself, but throw an error that says so only in prose. */
class NoSigningKeyError extends Error {
  override readonly name = 'NoSigningKeyError';
}

const DISABLED = new Set(['KeyDisabled', 'KeyExpired', 'KeyNotYetValid', 'KeyOperationForbidden']);

type SigningKey = Pick<VaultSignerOptions, 'vaultUrl' | 'keyName' | 'isCertificate'>;

/** Returns the failure of a call that concerns a signing key of the home vault. */
export function signerFailure(cause: unknown, { vaultUrl, keyName, isCertificate }: SigningKey): ServiceError {
  if (cause instanceof ServiceError) return cause;
  const foreign = readForeignError(cause);
  const rejected = (reason: string, detail: string, action: string, command?: string) =>
    new ServiceError('home-credential-rejected', detail, {
      reason,
      retryAfter: 10,
      fix: defined({ owner: 'vendor', action, command }),
      cause,
    });
  if (cause instanceof NoSigningKeyError || isKeyUnusable(foreign)) {
    return rejected(
      'signing-key-unusable',
      `The key ${isCertificate ? 'of the certificate ' : ''}is missing, disabled or not allowed to sign`,
      isCertificate
        ? `Enable the certificate ${keyName} in the home vault, or create a new version whose key may sign`
        : `Enable the key ${keyName} in the home vault, or create it: an EC key of P-256 that may sign`,
      isCertificate ? undefined : 'vaultspan init',
    );
  }
  if (isRefusal(foreign)) {
    return rejected(
      'home-vault-refused',
      "The home vault does not allow the platform's identity to sign",
      `Grant the service's identity the role "Key Vault Crypto User" on the key ${keyName} of ${vaultUrl}`,
      grantCommand(vaultUrl, keyName),
    );
  }
  return new ServiceError('vault-unavailable', 'The home vault is unreachable or failing', {
    reason: 'home-vault',
    retryAfter: 5,
    cause,
  });
}

/** Returns the outcome. Here a rejected credential is the home vault's refusal. */
function signOutcome(error: unknown, options: VaultSignerOptions): CallOutcome {
  const outcome = tokenOutcome(signerFailure(error, options));
  return outcome === 'home-rejected' ? 'refused' : outcome;
}

const isKeyUnusable = ({ status, innerCode, code }: ForeignError): boolean =>
  (status === 404 && code !== '') || (status === 403 && (DISABLED.has(innerCode) || DISABLED.has(code)));

/**
 * Returns whether the vault refused. A 401 can occur temporarily with valid tokens, as in the home
 * vault.
 */
const isRefusal = (foreign: ForeignError): boolean => foreign.status !== 404 && isRefusedByVault(foreign);

function grantCommand(vaultUrl: string, keyName: string): string {
  const [vaultName] = new URL(vaultUrl).hostname.split('.');
  return `az role assignment create --role "Key Vault Crypto User" --assignee-object-id <IDENTITY-OBJECT-ID> --assignee-principal-type ServicePrincipal --scope "$(az keyvault show --name ${vaultName} --query id -o tsv)/keys/${keyName}"`;
}
