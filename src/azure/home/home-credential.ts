import type { AccessToken } from '@azure/core-auth';
import { ClientSecretCredential } from '@azure/identity';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { defined } from '../../lib/defined.ts';
import { isSecretRejected } from '../sign-in-failures.ts';
import { Candidates } from './home-candidates.ts';
import { type EntraAccess, signInWith } from './home-sign-in.ts';
import type { HomeVault } from './home-vault.ts';

/** Signs the vendor's app in to a customer's directory. */
export interface HomeCredential {
  /**
   * Returns a new token from Entra, never a cached one. Rejects with the SDK's error, or with
   * ServiceError.
   */
  signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken>;
}

export type HomeCredentialKind =
  | 'client-secret'
  | 'certificate'
  | 'vault-signed'
  | 'managed-identity'
  | 'workload-identity';

/** One version of the credential, with members that its owner can compare with Entra. */
export interface HomeCredentialVersion {
  readonly version: string;
  readonly expires?: Date;
  /** SHA-1 in upper-case hexadecimal, as Entra shows it. */
  readonly thumbprint?: string;
}

export interface HomeCredentialDescription {
  readonly kind: HomeCredentialKind;
  /** Name of the secret or certificate in the home vault. */
  readonly name?: string;
  /** The versions that sign-ins may use, newest first. */
  readonly versions: readonly HomeCredentialVersion[];
  /** The unusable versions with the reason, newest first. */
  readonly unusable: readonly { readonly version: string; readonly reason: string }[];
  /** The expiry of the newest version; absent if it never expires or the time is unknown. */
  readonly expires?: Date;
  /** The values that the app's federated credential must have. */
  readonly federation?: { readonly issuer: string; readonly subject: string; readonly audience: string };
}

/** The home credential of one kind, as compose makes it. */
export interface ConfiguredHomeCredential extends HomeCredential {
  /**
   * Reads the data that a sign-in needs now, so that a start fails early.
   * @throws ServiceError with the fix
   */
  load(): Promise<void>;
  /** Returns the problem of a credential that still serves. */
  trouble(): string | undefined;
  /**
   * Returns the description.
   * @throws ServiceError when the home vault cannot be read
   */
  describe(): Promise<HomeCredentialDescription>;
}

export interface ClientSecretOptions extends EntraAccess {
  readonly secretName: string;
  readonly vault: Pick<HomeVault, 'versions'>;
  readonly clock: Clock;
  readonly onRotation: (version: string) => void;
}

/** The app's client secret in the home vault. */
export class ClientSecretHomeCredential implements ConfiguredHomeCredential {
  readonly #options: ClientSecretOptions;
  readonly #candidates: Candidates<string>;

  constructor(options: ClientSecretOptions) {
    this.#options = options;
    this.#candidates = new Candidates({
      ...options,
      name: options.secretName,
      parse: ({ value }) => value,
      isRejected: isSecretRejected,
      missing: () => noSecret(options.secretName),
    });
  }

  async load(): Promise<void> {
    await this.#candidates.load();
  }

  async signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken> {
    const { appId } = this.#options;
    return this.#candidates.use(({ value }) =>
      signInWith(
        this.#options,
        { scope, signal },
        (options) => new ClientSecretCredential(entraTenantId, appId, value, options),
      ),
    );
  }

  trouble(): string | undefined {
    return this.#candidates.trouble();
  }

  async describe(): Promise<HomeCredentialDescription> {
    const { candidates, unusable } = await this.#candidates.list();
    const versions = candidates.map(({ version, expires }) =>
      defined({ version, expires: expires === undefined ? undefined : new Date(expires) }),
    );
    return { kind: 'client-secret', name: this.#options.secretName, versions, unusable, ...expiryOf(versions) };
  }
}

/** Returns the expiry of the newest version. */
export function expiryOf([newest]: readonly HomeCredentialVersion[]): Pick<HomeCredentialDescription, 'expires'> {
  return newest?.expires ? { expires: newest.expires } : {};
}

const noSecret = (secretName: string): ServiceError =>
  new ServiceError('home-credential-rejected', 'The home vault has no usable client secret for the app', {
    reason: 'secret-missing',
    retryAfter: 10,
    fix: { owner: 'vendor', action: `Store a valid client secret of the app as ${secretName} in the home vault` },
  });
