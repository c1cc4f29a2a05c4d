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
  /** A fresh token of Entra, never one of a cache. Rejects with what the SDK threw, or with ServiceError. */
  signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken>;
}

export type HomeCredentialKind =
  | 'client-secret'
  | 'certificate'
  | 'vault-signed'
  | 'managed-identity'
  | 'workload-identity';

/** One version of the credential, as its owner may compare it with what Entra has. */
export interface HomeCredentialVersion {
  readonly version: string;
  readonly expires?: Date;
  /** SHA-1 in upper-case hexadecimal, as Entra shows it. */
  readonly thumbprint?: string;
}

export interface HomeCredentialDescription {
  readonly kind: HomeCredentialKind;
  /** Of the secret or certificate in the home vault. */
  readonly name?: string;
  /** Those that sign-ins may use, newest first. */
  readonly versions: readonly HomeCredentialVersion[];
  /** Those that can't serve, with the reason, newest first. */
  readonly unusable: readonly { readonly version: string; readonly reason: string }[];
  /** When the newest version expires; absent where it never does or nobody knows. */
  readonly expires?: Date;
  /** What the app's federated credential must say. */
  readonly federation?: { readonly issuer: string; readonly subject: string; readonly audience: string };
}

/** The home credential of one kind, as compose makes it. */
export interface ConfiguredHomeCredential extends HomeCredential {
  /** Reads what a sign-in needs now, so that a start fails early. @throws ServiceError which says what to do */
  load(): Promise<void>;
  /** Returns what is wrong with the credential while it still serves. */
  trouble(): string | undefined;
  /** @throws ServiceError when the home vault can't be read */
  describe(): Promise<HomeCredentialDescription>;
}

export interface ClientSecretOptions extends EntraAccess {
  readonly secretName: string;
  readonly vault: Pick<HomeVault, 'versions'>;
  readonly clock: Clock;
  readonly onRotation: (version: string) => void;
}

/** The app's client secret out of the home vault. */
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

/** The newest version's. */
export function expiryOf([newest]: readonly HomeCredentialVersion[]): Pick<HomeCredentialDescription, 'expires'> {
  return newest?.expires ? { expires: newest.expires } : {};
}

const noSecret = (secretName: string): ServiceError =>
  new ServiceError('home-credential-rejected', 'The home vault has no usable client secret of the app', {
    reason: 'secret-missing',
    retryAfter: 10,
    fix: { owner: 'vendor', action: `Store a valid client secret of the app as ${secretName} in the home vault` },
  });
