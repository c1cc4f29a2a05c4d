import { createHash } from 'node:crypto';
import type { TokenCredential } from '@azure/core-auth';
import { type CryptographyClient, KeyClient } from '@azure/keyvault-keys';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { type AzureObserver, type CallOutcome, tokenOutcome, withOutcome } from '../call-outcomes.ts';
import { withinDeadline } from '../deadline.ts';
import { type ForeignError, readForeignError } from '../foreign-error.ts';
import { vaultClientOptions } from '../sdk-http.ts';

export interface VaultSignerOptions {
  readonly vaultUrl: string;
  /** Name of the certificate and, in Key Vault, of its key. */
  readonly certificateName: string;
  /** The platform's identity. */
  readonly credential: TokenCredential;
  readonly unsafeAllowEmulator: boolean;
  readonly deadlineMs: number;
  readonly observer?: AzureObserver | undefined;
}

/** Signs with the key of a certificate in the home vault, which never leaves it. */
export class VaultSigner {
  readonly #options: VaultSignerOptions;
  readonly #keys: KeyClient;
  readonly #clients = new Map<string, Promise<CryptographyClient>>();

  constructor(options: VaultSignerOptions) {
    this.#options = options;
    this.#keys = new KeyClient(options.vaultUrl, options.credential, vaultClientOptions(options));
  }

  /**
   * Returns a PS256 signature of one version of the key.
   * @throws ServiceError `home-credential-rejected` when the vault refuses, `vault-unavailable`
   */
  async sign(keyVersion: string, input: Buffer): Promise<Uint8Array> {
    const digest = createHash('sha256').update(input).digest();
    const { deadlineMs, observer } = this.#options;
    const call = async (abortSignal: AbortSignal) => {
      const client = await this.#client(keyVersion, abortSignal);
      return (await client.sign('PS256', digest, { abortSignal })).result;
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
        const { certificateName } = this.#options;
        const { keyOperations = [] } = await this.#keys.getKey(certificateName, { version: keyVersion, abortSignal });
        if (!keyOperations.includes('sign')) throw new NoSigningKeyError('the key may not sign');
        return this.#keys.getCryptographyClient(certificateName, { keyVersion });
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

function signerFailure(cause: unknown, { vaultUrl, certificateName }: VaultSignerOptions): ServiceError {
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
      'The key of the certificate is missing, disabled or not allowed to sign',
      `Enable the certificate ${certificateName} in the home vault, or create a new version whose key may sign`,
    );
  }
  if (isRefusal(foreign)) {
    return rejected(
      'home-vault-refused',
      "The home vault does not allow the platform's identity to sign",
      `Grant the service's identity the role "Key Vault Crypto User" on the key ${certificateName} of ${vaultUrl}`,
      grantCommand(vaultUrl, certificateName),
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
  status === 404 || (status === 403 && (DISABLED.has(innerCode) || DISABLED.has(code)));

/**
 * Returns whether the vault refused. A 401 can occur temporarily with valid tokens, as in the home
 * vault.
 */
const isRefusal = ({ status }: ForeignError): boolean => status === 400 || status === 403;

function grantCommand(vaultUrl: string, certificateName: string): string {
  const [vaultName] = new URL(vaultUrl).hostname.split('.');
  return `az role assignment create --role "Key Vault Crypto User" --assignee-object-id <IDENTITY-OBJECT-ID> --assignee-principal-type ServicePrincipal --scope "$(az keyvault show --name ${vaultName} --query id -o tsv)/keys/${certificateName}"`;
}
