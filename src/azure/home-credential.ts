import type { AccessToken } from '@azure/core-auth';
import { ClientSecretCredential } from '@azure/identity';
import type { Clock } from '../cache/clock.ts';
import { ServiceError } from '../errors.ts';
import { noSdkRetries } from './deadline.ts';
import type { HomeVault, SecretVersion } from './home-vault.ts';
import { isSecretRejected } from './sign-in-failures.ts';

/** Signs the vendor's app in to a customer's directory. */
export interface HomeCredential {
  /** A fresh token of Entra, never one of a cache. Rejects with what the SDK threw, or with ServiceError. */
  signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken>;
}

export interface ClientSecretOptions {
  readonly appId: string;
  readonly authorityHost: string;
  readonly secretName: string;
  readonly vault: Pick<HomeVault, 'usableVersions'>;
  readonly unsafeAllowEmulator: boolean;
  readonly clock: Clock;
  readonly onRotation: (version: string) => void;
}

const CANDIDATES = 2;
const REREAD_COOLDOWN_MS = 10_000;

/**
 * The app's client secret out of the home vault. Its two newest versions are candidates, so that a rotation may store the new one
 * before or after Entra knows it: when Entra rejects one, the other is tried, then the vault is read again.
 */
export class ClientSecretHomeCredential implements HomeCredential {
  readonly #options: ClientSecretOptions;
  #candidates: readonly SecretVersion[] = [];
  /** The version that Entra took last is tried first. */
  #preferred: string | undefined;
  #rereadAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: ClientSecretOptions) {
    this.#options = options;
  }

  /** Reads the candidates now, so that a start fails early. @throws ServiceError */
  async load(): Promise<void> {
    await this.#reread();
    if (this.#candidates.length === 0) throw this.#noSecret();
  }

  async signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken> {
    if (this.#candidates.length === 0) await this.load();
    const tried = new Set<string>();
    try {
      return await this.#tryCandidates(entraTenantId, scope, signal, tried);
    } catch (error) {
      if (!isSecretRejected(error)) throw error;
      if (!this.#hasUntried(tried)) await this.#rereadUnlessJustDone();
      if (!this.#hasUntried(tried)) throw error;
      return this.#tryCandidates(entraTenantId, scope, signal, tried);
    }
  }

  /** Another request's reread may have brought candidates that this one hasn't tried. */
  #hasUntried(tried: ReadonlySet<string>): boolean {
    return this.#candidates.some(({ version }) => !tried.has(version));
  }

  async #tryCandidates(tenantId: string, scope: string, signal: AbortSignal, tried: Set<string>): Promise<AccessToken> {
    let rejection: Error | undefined;
    for (const candidate of this.#inOrder()) {
      if (tried.has(candidate.version)) continue;
      tried.add(candidate.version);
      try {
        const token = await this.#credential(tenantId, candidate).getToken(scope, { abortSignal: signal });
        this.#prefer(candidate.version);
        return token;
      } catch (error) {
        if (!isSecretRejected(error)) throw error;
        rejection = error;
      }
    }
    throw rejection ?? this.#noSecret();
  }

  /** A new object for each sign-in: MSAL would answer from its own cache, and a refusal would go unseen for an hour. */
  #credential(tenantId: string, candidate: SecretVersion): ClientSecretCredential {
    const { appId, authorityHost, unsafeAllowEmulator } = this.#options;
    return new ClientSecretCredential(tenantId, appId, candidate.value, {
      authorityHost,
      disableInstanceDiscovery: unsafeAllowEmulator,
      ...noSdkRetries,
    });
  }

  #inOrder(): readonly SecretVersion[] {
    return this.#candidates.toSorted(
      (a, b) => Number(b.version === this.#preferred) - Number(a.version === this.#preferred),
    );
  }

  #prefer(version: string): void {
    if (this.#preferred === version) return;
    this.#preferred = version;
    this.#options.onRotation(version);
  }

  #reread(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { vault, secretName } = this.#options;
    this.#candidates = await vault.usableVersions(secretName, CANDIDATES);
  }

  async #rereadUnlessJustDone(): Promise<void> {
    const now = this.#options.clock.monotonicMs();
    if (now - this.#rereadAt < REREAD_COOLDOWN_MS && !this.#reading) return;
    this.#rereadAt = now;
    await this.#reread();
  }

  #noSecret(): ServiceError {
    return new ServiceError('home-credential-rejected', 'The home vault has no usable client secret of the app', {
      reason: 'secret-missing',
      retryAfter: 10,
      fix: {
        owner: 'vendor',
        action: `Store a valid client secret of the app as ${this.#options.secretName} in the home vault`,
      },
    });
  }
}
