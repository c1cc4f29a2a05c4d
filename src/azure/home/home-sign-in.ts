import type { AccessToken } from '@azure/core-auth';
import { ClientAssertionCredential } from '@azure/identity';
import { clouds } from '../cloud.ts';
import { noSdkRetries } from '../deadline.ts';

/** Who signs in, and where. */
export interface EntraAccess {
  readonly appId: string;
  readonly authorityHost: string;
  readonly unsafeAllowEmulator: boolean;
}

const published: ReadonlySet<string> = new Set(Object.values(clouds).map(({ authorityHost }) => authorityHost));

/** Options of the SDK's credentials. An authority that Microsoft doesn't publish can't be looked up in the public cloud. */
export const entraOptions = ({ authorityHost, unsafeAllowEmulator }: EntraAccess) => ({
  authorityHost,
  disableInstanceDiscovery: unsafeAllowEmulator || !published.has(authorityHost),
  ...noSdkRetries,
});

export interface AssertedSignIn {
  readonly entraTenantId: string;
  readonly scope: string;
  readonly assertion: string;
  readonly signal: AbortSignal;
}

/** By a JWT instead of a secret (RFC 7523 §2.2), with a new SDK object for each sign-in, since MSAL has a cache of its own. */
export async function signInByAssertion(access: EntraAccess, request: AssertedSignIn): Promise<AccessToken> {
  const { entraTenantId, scope, assertion, signal } = request;
  const credential = new ClientAssertionCredential(
    entraTenantId,
    access.appId,
    async () => assertion,
    entraOptions(access),
  );
  return credential.getToken(scope, { abortSignal: signal });
}
