import {
  AuthError,
  CacheLookupPolicy,
  InteractionRequiredAuthError,
  PublicClientApplication,
} from '@azure/msal-browser';
import { type Roles, rolesOf } from './roles.ts';
import type { Settings } from './settings.ts';
import { SignInExpired } from './sign-in-expired.ts';

/** Where Entra sends the browser back to; the app registration lists this address alone. */
const REDIRECT_PATH = '/console/';

interface Person {
  readonly name: string;
  readonly roles: Roles;
}

export interface Session {
  /** Absent until somebody has signed in. */
  readonly person: Person | undefined;
  /** Why the last sign-in did not succeed, in Entra's words. */
  readonly failure: string | undefined;
  signIn(): Promise<void>;
  signOut(): Promise<void>;
  /** Returns an access token that is valid now. Rejects with SignInExpired when only a new sign-in gives one. */
  token(): Promise<string>;
}

/**
 * Returns the session of this tab. Tokens stay in its session storage: another tab signs in by
 * itself, and they are gone when the tab is closed.
 */
export async function startSignIn(settings: Settings): Promise<Session> {
  const scopes = [...settings.scopes];
  const redirectUri = `${location.origin}${REDIRECT_PATH}`;
  const app = new PublicClientApplication({
    auth: {
      clientId: settings.clientId,
      authority: settings.authority,
      knownAuthorities: [...settings.knownAuthorities],
      authorityMetadata: settings.authorityMetadata ?? entraMetadata(settings.authority),
      redirectUri,
      postLogoutRedirectUri: redirectUri,
    },
    cache: { cacheLocation: 'sessionStorage' },
  });
  await app.initialize();
  const failure = await finishRedirect(app);
  const account = app.getAllAccounts()[0];
  const token = async (): Promise<string> => {
    if (!account) throw new SignInExpired('Nobody has signed in.');
    try {
      // A hidden frame is no fallback: the CSP allows no frames.
      const cacheLookupPolicy = CacheLookupPolicy.AccessTokenAndRefreshToken;
      return (await app.acquireTokenSilent({ scopes, account, cacheLookupPolicy })).accessToken;
    } catch (error) {
      if (needsPerson(error)) throw new SignInExpired('Your sign-in has expired.');
      throw error;
    }
  };
  return {
    person: account && (await personOf(account.name ?? account.username, token)),
    failure,
    signIn: () => app.loginRedirect({ scopes, redirectStartPage: location.href }),
    signOut: () => app.logoutRedirect({ account: account ?? null }),
    token,
  };
}

/**
 * Returns whether only a new sign-in helps. Entra refuses an expired refresh token with
 * `invalid_grant`, for which MSAL would try a hidden frame.
 */
const needsPerson = (error: unknown): boolean =>
  error instanceof InteractionRequiredAuthError || (error instanceof AuthError && error.errorCode === 'invalid_grant');

/** Returns Entra's error text when the page was opened by a sign-in that failed. */
async function finishRedirect(app: PublicClientApplication): Promise<string | undefined> {
  try {
    await app.handleRedirectPromise();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function personOf(name: string, token: () => Promise<string>): Promise<Person | undefined> {
  try {
    return { name, roles: rolesOf(await token()) };
  } catch (error) {
    if (error instanceof SignInExpired) return undefined;
    throw error;
  }
}

/** Returns Entra's fixed addresses under an authority, which saves a request to discover them. */
const entraMetadata = (authority: string): string =>
  JSON.stringify({
    authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
    token_endpoint: `${authority}/oauth2/v2.0/token`,
    end_session_endpoint: `${authority}/oauth2/v2.0/logout`,
    jwks_uri: `${authority}/discovery/v2.0/keys`,
    issuer: `${authority}/v2.0`,
  });
