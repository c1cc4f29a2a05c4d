import type { AccessToken, TokenCredential } from '@azure/core-auth';
import { decodeJwt } from 'jose';
import { ServiceError } from '../../errors.ts';
import { withinDeadline } from '../deadline.ts';
import { readForeignError } from '../foreign-error.ts';
import type { ConfiguredHomeCredential, HomeCredentialDescription } from './home-credential.ts';
import { type EntraAccess, signInByAssertion } from './home-sign-in.ts';

export interface ManagedIdentityOptions extends EntraAccess {
  /** The managed identity of this machine. */
  readonly identity: TokenCredential;
  readonly audience: string;
  readonly deadlineMs: number;
}

type Federation = NonNullable<HomeCredentialDescription['federation']>;

/**
 * The machine's managed identity, which the app trusts as a federated credential: there is no secret anywhere. The identity's token is
 * the assertion, and comes from the SDK's cache, since only the vendor could take it back; the app's own is fresh each time.
 */
export class ManagedIdentityHomeCredential implements ConfiguredHomeCredential {
  readonly #options: ManagedIdentityOptions;

  constructor(options: ManagedIdentityOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    await this.#assertion();
  }

  async signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken> {
    const assertion = await this.#assertion();
    try {
      return await signInByAssertion(this.#options, { entraTenantId, scope, signal }, assertion);
    } catch (error) {
      if (!FEDERATION_CODES.has(readForeignError(error).aadsts)) throw error;
      throw notFederated(this.#options.appId, federationOf(assertion), error);
    }
  }

  async describe(): Promise<HomeCredentialDescription> {
    return { kind: 'managed-identity', versions: [], federation: federationOf(await this.#assertion()) };
  }

  async #assertion(): Promise<string> {
    const { identity, audience, deadlineMs } = this.#options;
    try {
      const token = await withinDeadline(
        deadlineMs,
        (abortSignal) => identity.getToken(`${audience}/.default`, { abortSignal }),
        (error) => (readForeignError(error).status ?? 500) >= 500,
      );
      if (token) return token.token;
    } catch (error) {
      throw noIdentity(error);
    }
    throw noIdentity();
  }
}

const FEDERATION_CODES: ReadonlySet<number | undefined> = new Set([700211, 700212, 700213, 700236]);

function federationOf(assertion: string): Federation {
  const { iss: issuer = '', sub: subject = '', aud } = decodeJwt(assertion);
  return { issuer, subject, audience: [aud ?? ''].flat().join(' ') };
}

function notFederated(appId: string, federation: Federation, cause: unknown): ServiceError {
  const { issuer, subject, audience } = federation;
  const parameters = JSON.stringify({ name: 'vaultspan', issuer, subject, audiences: [audience] });
  return new ServiceError('home-credential-rejected', 'The app does not trust the managed identity of this machine', {
    reason: 'federation',
    retryAfter: 10,
    fix: {
      owner: 'vendor',
      action: `Give the app a federated credential in its home tenant with issuer ${issuer}, subject ${subject}, audience ${audience}`,
      command: `az ad app federated-credential create --id ${appId} --parameters '${parameters}'`,
    },
    cause,
  });
}

const noIdentity = (cause?: unknown): ServiceError =>
  new ServiceError('home-credential-rejected', 'This machine has no managed identity that gives tokens', {
    reason: 'no-platform-identity',
    retryAfter: 10,
    fix: {
      owner: 'vendor',
      action:
        'Give the machine a managed identity; a user-assigned one is named by home.managedIdentityClientId and must be assigned to it',
    },
    cause,
  });
