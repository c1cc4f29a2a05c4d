import type { AccessToken, TokenCredential } from '@azure/core-auth';
import type { PipelineResponse } from '@azure/core-rest-pipeline';
import { ClientAssertionCredential } from '@azure/identity';
import { clouds } from '../cloud.ts';
import { type BoundedHttpOptions, sdkClientOptions } from '../sdk-http.ts';
import { SignInRefusal } from '../sign-in-refusal.ts';

/** The app and the directory of a sign-in. */
export interface EntraAccess {
  readonly appId: string;
  readonly authorityHost: string;
  readonly unsafeAllowEmulator: boolean;
}

export interface SignInRequest {
  readonly entraTenantId: string;
  readonly scope: string;
  /** Ends the sign-in and closes its connections. */
  readonly signal: AbortSignal;
}

const published: ReadonlySet<string> = new Set(Object.values(clouds).map(({ authorityHost }) => authorityHost));
/** The caller's signal comes first; this limit applies without one. */
const LONGEST_REQUEST_MS = 60_000;

/**
 * Returns the options of the SDK's credentials. An authority that Microsoft does not publish cannot
 * be looked up in the public cloud.
 */
const entraOptions = ({ authorityHost, unsafeAllowEmulator }: EntraAccess, limits: BoundedHttpOptions) => ({
  authorityHost,
  disableInstanceDiscovery: unsafeAllowEmulator || !published.has(authorityHost),
  ...sdkClientOptions(limits),
});

export type EntraOptions = ReturnType<typeof entraOptions>;

/**
 * Returns a token, with a new credential object of the SDK: MSAL would answer from its own cache
 * and hide a refusal for an hour.
 * @throws SignInRefusal when Entra answered with an error, or the SDK's error
 */
export async function signInWith(
  access: EntraAccess,
  { scope, signal }: Pick<SignInRequest, 'scope' | 'signal'>,
  credentialOf: (options: EntraOptions) => TokenCredential,
): Promise<AccessToken> {
  let refused: PipelineResponse | undefined;
  const onResponse = (response: PipelineResponse) => {
    refused = response.status >= 400 ? response : undefined;
  };
  const limits = { timeoutMs: LONGEST_REQUEST_MS, signal, onResponse };
  try {
    const token = await credentialOf(entraOptions(access, limits)).getToken(scope, { abortSignal: signal });
    if (token) return token;
    throw new TypeError('the SDK gave no token');
  } catch (error) {
    throw refused ? new SignInRefusal(refused.status, refused.headers, refused.bodyAsText ?? '', error) : error;
  }
}

/**
 * Signs in with a JWT instead of a secret (RFC 7523 §2.2).
 * @throws as `signInWith`
 */
export function signInByAssertion(
  access: EntraAccess,
  request: SignInRequest,
  assertion: string,
): Promise<AccessToken> {
  const { entraTenantId } = request;
  return signInWith(
    access,
    request,
    (options) => new ClientAssertionCredential(entraTenantId, access.appId, async () => assertion, options),
  );
}
