import type { TokenCredential } from '@azure/core-auth';
import { SecretClient, type SecretProperties } from '@azure/keyvault-secrets';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { withinDeadline } from '../deadline.ts';
import { isRefusedByVault, readForeignError } from '../foreign-error.ts';
import { vaultClientOptions } from '../sdk-http.ts';

/** One version of a secret of the home vault. */
export interface SecretVersion {
  readonly version: string;
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly expires: number | undefined;
}

/** One version that is unusable now. */
export interface UnusableVersion {
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly reason: string;
}

/** The versions of one secret, newest first. Both lists are empty if the secret does not exist. */
export interface SecretVersions {
  readonly usable: readonly SecretVersion[];
  readonly unusable: readonly UnusableVersion[];
}

export interface HomeVaultOptions {
  readonly vaultUrl: string;
  /** The platform's identity. */
  readonly credential: TokenCredential;
  readonly unsafeAllowEmulator: boolean;
  readonly deadlineMs: number;
  readonly clock: Clock;
}

/** Key Vault in the vendor's own tenant, which has the app's secrets. */
export class HomeVault {
  readonly #client: SecretClient;
  readonly #options: HomeVaultOptions;

  constructor(options: HomeVaultOptions) {
    this.#options = options;
    this.#client = new SecretClient(options.vaultUrl, options.credential, vaultClientOptions(options));
  }

  /**
   * Returns the versions of a secret, with the values of the newest `limit` usable ones.
   * @throws ServiceError `home-credential-rejected` when the platform's identity may not read it,
   * `vault-unavailable`
   */
  async versions(name: string, limit: number): Promise<SecretVersions> {
    return this.#call(name, async (abortSignal) => {
      const listed = (await this.#list(name, abortSignal)).sort((a, b) => b.created - a.created);
      const unusable = listed.filter((each) => each.reason !== undefined);
      const newest = await this.#currentFirst(
        name,
        listed.filter(({ reason }) => reason === undefined),
        abortSignal,
      );
      const usable = await Promise.all(
        newest.slice(0, limit).map(async ({ version, created, expires }) => {
          const { value } = await this.#client.getSecret(name, { version, abortSignal });
          return { version, created, expires, value: value ?? '' };
        }),
      );
      return { usable, unusable: unusable.map(({ version, created, reason = '' }) => ({ version, created, reason })) };
    });
  }

  /**
   * Adds a version.
   * @throws ServiceError as above
   */
  async add(name: string, value: string, contentType: string): Promise<void> {
    await this.#call(name, (abortSignal) => this.#client.setSecret(name, value, { contentType, abortSignal }));
  }

  /** Returns the versions; none if the secret does not exist: an empty list, or a 404. */
  async #list(name: string, abortSignal: AbortSignal): Promise<ListedVersion[]> {
    const now = this.#options.clock.wallMs();
    const listed: ListedVersion[] = [];
    try {
      for await (const properties of this.#client.listPropertiesOfSecretVersions(name, { abortSignal })) {
        const { version, createdOn, expiresOn } = properties;
        if (version === undefined) continue;
        const created = createdOn?.getTime() ?? 0;
        listed.push({ version, created, expires: expiresOn?.getTime(), reason: whyUnusable(properties, now) });
      }
    } catch (error) {
      const foreign = readForeignError(error);
      if (foreign.status !== 404 || !isRefusedByVault(foreign)) throw error;
    }
    return listed;
  }

  /**
   * Returns the versions with the current one first. Key Vault's times are in whole seconds, so that
   * they do not order two versions of the same second.
   */
  async #currentFirst(name: string, newestFirst: ListedVersion[], abortSignal: AbortSignal): Promise<ListedVersion[]> {
    if (newestFirst.length < 2 || newestFirst[0]?.created !== newestFirst[1]?.created) return newestFirst;
    let current: string | undefined;
    try {
      current = (await this.#client.getSecret(name, { abortSignal })).properties.version;
    } catch (error) {
      if (!isRefusedByVault(readForeignError(error))) throw error; // the current version is disabled
    }
    return newestFirst.sort((a, b) => Number(b.version === current) - Number(a.version === current));
  }

  async #call<T>(name: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withinDeadline(this.#options.deadlineMs, call, isWorthRetry);
    } catch (error) {
      throw homeVaultFailure(error, this.#options.vaultUrl, name);
    }
  }
}

interface ListedVersion extends Omit<SecretVersion, 'value'> {
  /** Undefined if the version is usable. */
  readonly reason: string | undefined;
}

function whyUnusable({ enabled, notBefore, expiresOn }: SecretProperties, now: number): string | undefined {
  if (enabled === false) return 'disabled';
  if ((expiresOn?.getTime() ?? Number.POSITIVE_INFINITY) <= now) return 'expired';
  return (notBefore?.getTime() ?? 0) > now ? 'not yet valid' : undefined;
}

/**
 * A 401 can occur temporarily with valid tokens (AKV10046); only AKV10032 is a configuration error.
 */
const WRONG_DIRECTORY = 10_032;

function isWorthRetry(error: unknown): boolean {
  if (error instanceof ServiceError) return error.code === 'identity-unavailable';
  const { status = 500 } = readForeignError(error);
  return status === 401 || status >= 500;
}

/**
 * Returns the failure. A failure of the identity that signs in to the vault is translated already.
 */
function homeVaultFailure(cause: unknown, vaultUrl: string, name: string): ServiceError {
  if (cause instanceof ServiceError) return cause;
  const foreign = readForeignError(cause);
  if ((foreign.status !== 404 && isRefusedByVault(foreign)) || foreign.akv === WRONG_DIRECTORY) {
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
  return new ServiceError('vault-unavailable', 'The home vault is unreachable or failing', {
    reason: 'home-vault',
    retryAfter: 5,
    cause,
  });
}
