import type { TokenCredential } from '@azure/core-auth';
import { SecretClient } from '@azure/keyvault-secrets';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { withinDeadline } from '../deadline.ts';
import { readForeignError } from '../foreign-error.ts';
import { vaultClientOptions } from '../sdk-http.ts';

/** One version of a secret of the home vault. */
export interface SecretVersion {
  readonly version: string;
  readonly value: string;
  /** Milliseconds of the epoch. */
  readonly created: number;
  readonly expires: number | undefined;
}

export interface HomeVaultOptions {
  readonly vaultUrl: string;
  /** The platform's identity. */
  readonly credential: TokenCredential;
  readonly unsafeAllowEmulator: boolean;
  readonly deadlineMs: number;
  readonly clock: Clock;
}

/** Key Vault in the vendor's own tenant, where the app's secrets are. */
export class HomeVault {
  readonly #client: SecretClient;
  readonly #options: HomeVaultOptions;

  constructor(options: HomeVaultOptions) {
    this.#options = options;
    this.#client = new SecretClient(options.vaultUrl, options.credential, vaultClientOptions(options));
  }

  /**
   * Usable versions of a secret, newest first, at most `limit`; none when there is no such secret (an empty list, or a 404).
   *
   * @throws ServiceError `home-credential-rejected` when the platform's identity may not read it, `vault-unavailable`
   */
  async usableVersions(name: string, limit: number): Promise<readonly SecretVersion[]> {
    return this.#call(name, async (abortSignal) => {
      const newest = (await this.#list(name, abortSignal)).sort((a, b) => b.created - a.created).slice(0, limit);
      return Promise.all(
        newest.map(async (listed) => {
          const { value } = await this.#client.getSecret(name, { version: listed.version, abortSignal });
          return { ...listed, value: value ?? '' };
        }),
      );
    });
  }

  /** Adds a version. @throws ServiceError as above */
  async add(name: string, value: string, contentType: string): Promise<void> {
    await this.#call(name, (abortSignal) => this.#client.setSecret(name, value, { contentType, abortSignal }));
  }

  async #list(name: string, abortSignal: AbortSignal): Promise<Omit<SecretVersion, 'value'>[]> {
    const now = this.#options.clock.wallMs();
    const usable: Omit<SecretVersion, 'value'>[] = [];
    try {
      for await (const properties of this.#client.listPropertiesOfSecretVersions(name, { abortSignal })) {
        const { version, enabled, notBefore, expiresOn, createdOn } = properties;
        const isDue = (notBefore?.getTime() ?? 0) <= now && (expiresOn?.getTime() ?? Number.POSITIVE_INFINITY) > now;
        if (version === undefined || enabled === false || !isDue) continue;
        usable.push({ version, created: createdOn?.getTime() ?? 0, expires: expiresOn?.getTime() });
      }
    } catch (error) {
      if (readForeignError(error).status !== 404) throw error;
    }
    return usable;
  }

  async #call<T>(name: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withinDeadline(
        this.#options.deadlineMs,
        call,
        (error) => (readForeignError(error).status ?? 500) >= 500,
      );
    } catch (error) {
      throw homeVaultFailure(error, this.#options.vaultUrl, name);
    }
  }
}

function homeVaultFailure(cause: unknown, vaultUrl: string, name: string): ServiceError {
  const { status } = readForeignError(cause);
  if (status === 400 || status === 401 || status === 403) {
    return new ServiceError('home-credential-rejected', "The home vault refuses the platform's identity", {
      reason: 'home-vault-refused',
      retryAfter: 10,
      fix: {
        owner: 'vendor',
        action: `Grant the service's identity the role "Key Vault Secrets User" on ${vaultUrl} (secret ${name}); to run \`vaultspan init\`, "Key Vault Secrets Officer"`,
      },
      cause,
    });
  }
  if (Error.isError(cause) && cause.name === 'CredentialUnavailableError') {
    return new ServiceError('home-credential-rejected', 'There is no platform identity to open the home vault with', {
      reason: 'no-platform-identity',
      retryAfter: 10,
      fix: {
        owner: 'vendor',
        action: 'Give the machine a managed identity, or sign in with the Azure CLI for a trial',
      },
      cause,
    });
  }
  return new ServiceError('vault-unavailable', 'The home vault could not be reached or is in trouble', {
    reason: 'home-vault',
    retryAfter: 5,
    cause,
  });
}
