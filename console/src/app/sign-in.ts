import {
  type AccountInfo,
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
/** How long a window for the sign-in may take: a person may have to fetch a telephone first. */
const WINDOW_TIMEOUT_MS = 10 * 60_000;

export interface Person {
  readonly name: string;
  readonly roles: Roles;
}

export interface Session {
  /** Absent until somebody has signed in. */
  readonly person: Person | undefined;
  /** Why the last sign-in did not succeed, in Entra's words. */
  readonly failure: string | undefined;
  /** Leaves the page for the sign-in, which leads back to it. What was typed is lost. */
  signIn(): Promise<void>;
  /**
   * Signs in in a window of its own and returns the person; the page keeps what was typed. If
   * somebody else signs in than before, the page is loaded anew: what it shows is not theirs.
   * Rejects with WindowBlocked if the browser opens no window.
   */
  signInBeside(): Promise<Person>;
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
    system: { popupBridgeTimeout: WINDOW_TIMEOUT_MS },
  });
  await app.initialize();
  const failure = await finishRedirect(app);
  let account = app.getAllAccounts()[0];
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
    person: account && (await personOf(nameOf(account), token)),
    failure,
    signIn: () => app.loginRedirect({ scopes, redirectStartPage: location.href }),
    signInBeside: async () => {
      const before = account;
      account = await signInBeside(app, scopes, before);
      if (before && before.homeAccountId !== account.homeAccountId) {
        await app.clearCache({ account: before });
        location.reload();
        await new Promise(() => undefined); // this page shows nothing to another person
      }
      return { name: nameOf(account), roles: rolesOf(await token()) };
    },
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

/** The browser did not open the window. */
export class WindowBlocked extends Error {
  override readonly name = 'WindowBlocked';
}

async function signInBeside(
  app: PublicClientApplication,
  scopes: string[],
  before: AccountInfo | undefined,
): Promise<AccountInfo> {
  // A window that was closed is not noticed, so that a second one takes its place.
  const request = { scopes, overrideInteractionInProgress: true, ...(before && { loginHint: before.username }) };
  try {
    return (await app.loginPopup(request)).account;
  } catch (error) {
    if (error instanceof AuthError && BLOCKED.has(error.errorCode))
      throw new WindowBlocked('The browser opened no window. Allow windows of this site, and try again.');
    throw error;
  }
}

const BLOCKED: ReadonlySet<string> = new Set(['popup_window_error', 'empty_window_error']);

const nameOf = ({ name, username }: AccountInfo): string => name ?? username;

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
