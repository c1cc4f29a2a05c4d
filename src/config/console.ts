import { defined } from '../lib/defined.ts';
import type { Settings } from './schema.ts';
import { audienceFor } from './schema-console.ts';

/** The delegated permission that the API's registration exposes. */
const SCOPE = 'access_as_user';

/** Returns the console's settings as the page and the listener need them; undefined if it is off. */
export function consoleOf({ console: { enabled, clientId, authority }, callers, emulator, onboarding }: Settings) {
  if (!enabled || clientId === undefined || authority === undefined) return undefined;
  const audience = audienceFor(callers, authority) ?? ''; // the schema has checked that there is one
  const metadata = emulator?.signInUrl === undefined ? undefined : metadataOf(authority, emulator.signInUrl);
  return {
    clientId,
    scope: SCOPE,
    /** Origins that the page calls to sign in. */
    signInOrigins: [new URL(metadata?.token_endpoint ?? authority).origin],
    page: defined({
      clientId,
      authority,
      knownAuthorities: [new URL(authority).host],
      scopes: [`${audience.includes('://') ? audience : `api://${audience}`}/${SCOPE}`],
      authorityMetadata: metadata && JSON.stringify(metadata),
      vendorName: onboarding.vendorName,
    }),
  } as const;
}

/**
 * Returns the emulator's addresses for a browser, in the form of a discovery document. A browser
 * does not trust the emulator's certificate, so they are plain HTTP on loopback.
 */
function metadataOf(authority: string, signInUrl: string) {
  const base = `${signInUrl}${new URL(authority).pathname}`;
  return {
    issuer: `${authority}/v2.0`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
  };
}
