import type { AccessToken } from '@azure/core-auth';
import { decodeJwt } from 'jose';
import { ServiceError } from '../../errors.ts';
import { readForeignError } from '../foreign-error.ts';
import type { ConfiguredHomeCredential, HomeCredentialDescription } from './home-credential.ts';
import { type EntraAccess, signInByAssertion } from './home-sign-in.ts';

export interface FederatedOptions extends EntraAccess {
  readonly kind: 'managed-identity' | 'workload-identity';
  /**
   * Returns a token that the app trusts.
   * @throws ServiceError
   */
  readonly assertion: () => Promise<string>;
}

type Federation = NonNullable<HomeCredentialDescription['federation']>;

/**
 * A token of another identity, which the app trusts as a federated credential, so there is no
 * secret anywhere. The token is the assertion. It may come from a cache, since only the vendor
 * could revoke it; the app's own token is new each time.
 */
export class FederatedHomeCredential implements ConfiguredHomeCredential {
  readonly #options: FederatedOptions;

  constructor(options: FederatedOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    await this.#options.assertion();
  }

  async signIn(entraTenantId: string, scope: string, signal: AbortSignal): Promise<AccessToken> {
    const assertion = await this.#options.assertion();
    try {
      return await signInByAssertion(this.#options, { entraTenantId, scope, signal }, assertion);
    } catch (error) {
      if (!MISMATCH_CODES.has(readForeignError(error).aadsts)) throw error;
      throw notFederated(this.#options.appId, federationOf(assertion), error);
    }
  }

  trouble(): undefined {
    // The home vault has no part of it.
  }

  async describe(): Promise<HomeCredentialDescription> {
    const { kind, assertion } = this.#options;
    return { kind, versions: [], unusable: [], federation: federationOf(await assertion()) };
  }
}

/** Issuer, subject or audience of the federated credential differ. */
const MISMATCH_CODES: ReadonlySet<number | undefined> = new Set([70021, 700211, 700212, 700213, 700236]);

function federationOf(assertion: string): Federation {
  const { iss: issuer = '', sub: subject = '', aud } = decodeJwt(assertion);
  return { issuer, subject, audience: [aud ?? ''].flat().join(' ') };
}

function notFederated(appId: string, federation: Federation, cause: unknown): ServiceError {
  const { issuer, subject, audience } = federation;
  const parameters = JSON.stringify({ name: 'vaultspan', issuer, subject, audiences: [audience] });
  return new ServiceError('home-credential-rejected', "The app does not trust this machine's identity", {
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
