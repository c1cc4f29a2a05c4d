import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type Cloud, findApp, findTenant } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import { ok, type Reply } from '../reply.ts';
import type { AppState } from '../state.ts';
import type { TokenSigner } from './access-tokens.ts';
import { peoplePage, refusalPage, signedOutPage } from './authorize-page.ts';
import { EntraRefusal } from './entra-refusal.ts';
import { API_SCOPE, PEOPLE, type Person } from './people.ts';
import { clientInfo, newRefreshEnd, signedInBy, tokensOf } from './user-tokens.ts';

/** A code is redeemed at once; Entra's are valid for ten minutes. */
const CODE_MS = 600_000;
const MAX_CODES = 1_000;
const OIDC_SCOPES: ReadonlySet<string> = new Set(['openid', 'profile', 'offline_access', 'email']);

interface IssuedCode {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string | undefined;
  readonly person: Person;
  readonly expiresMs: number;
  isRedeemed: boolean;
}

/** The sign-in of people to a single-page app: authorization code with PKCE (RFC 6749, RFC 7636). */
export interface SignIn {
  authorize(exchange: Exchange): Reply;
  logout(exchange: Exchange): Reply;
  /** Returns the tokens of a code or of a refresh token. */
  token(exchange: Exchange, form: URLSearchParams): Promise<Reply>;
}

export function createSignIn(cloud: Cloud, signer: TokenSigner): SignIn {
  const codes = new Map<string, IssuedCode>();
  const keep = (code: IssuedCode): string => {
    const name = randomBytes(32).toString('base64url');
    codes.set(name, code);
    for (const [oldest] of codes) if (codes.size > MAX_CODES) codes.delete(oldest);
    return name;
  };
  return {
    authorize(exchange) {
      try {
        return authorize(cloud, keep, exchange);
      } catch (error) {
        if (error instanceof EntraRefusal) return refusalPage(`AADSTS${error.number}: ${error.message}`);
        throw error;
      }
    },
    logout: ({ query }) => {
      const back = query.get('post_logout_redirect_uri');
      const isRegistered = cloud.state.apps.some(
        ({ redirectUris = [] }) => back !== null && redirectUris.includes(back),
      );
      return isRegistered && back !== null ? redirect(back) : signedOutPage();
    },
    async token({ headers }, form) {
      const app = singlePageApp(cloud, required(form, 'client_id'));
      assertCrossOrigin(app, headers.origin);
      const signedIn =
        form.get('grant_type') === 'refresh_token'
          ? await signedInBy(cloud, signer, required(form, 'refresh_token'), app.appId)
          : redeem(cloud, codes, form, app.appId);
      return ok(await tokensOf(cloud, signer, signedIn));
    },
  };
}

/** Returns the page of a request, or the redirect once somebody was chosen. */
function authorize(cloud: Cloud, keep: (code: IssuedCode) => string, { query, path, segments }: Exchange): Reply {
  const [directory = ''] = segments;
  if (findTenant(cloud.state, directory)?.tenantId !== cloud.state.homeTenantId)
    throw new EntraRefusal(90002, directory);
  const app = singlePageApp(cloud, required(query, 'client_id'));
  const redirectUri = required(query, 'redirect_uri');
  if (!app.redirectUris?.includes(redirectUri)) throw new EntraRefusal(50011, redirectUri);
  const choice = query.get('choice');
  const answer = (parameters: Readonly<Record<string, string>>) =>
    redirect(withParameters(redirectUri, query, { ...parameters, state: query.get('state') ?? '' }));
  try {
    const challenge = assertAnswerable(cloud, query);
    if (choice === null) return peoplePage((name) => `${path}?${withParameter(query, 'choice', name).toString()}`);
    const person = PEOPLE.find(({ key }) => key === choice);
    if (!person) throw new EntraRefusal(65004);
    const nonce = query.get('nonce') ?? undefined;
    const expiresMs = cloud.now() + CODE_MS;
    const code = keep({ clientId: app.appId, redirectUri, challenge, nonce, person, expiresMs, isRedeemed: false });
    return answer({
      code,
      client_info: clientInfo(person, cloud.state.homeTenantId),
      session_state: randomUUID(),
    });
  } catch (error) {
    if (!(error instanceof EntraRefusal)) throw error;
    return answer({ error: error.code, error_description: `AADSTS${error.number}: ${error.message}` });
  }
}

/**
 * Returns the PKCE challenge of a request.
 * @throws EntraRefusal to be sent to the app
 */
function assertAnswerable({ state }: Cloud, query: URLSearchParams): string {
  const type = query.get('response_type') ?? '';
  if (type !== 'code') throw new EntraRefusal(700051, type);
  const challenge = query.get('code_challenge');
  if (challenge === null || query.get('code_challenge_method') !== 'S256') throw new EntraRefusal(9002325);
  const mode = query.get('response_mode') ?? 'query';
  if (mode !== 'query' && mode !== 'fragment') throw new EntraRefusal(90014, 'response_mode');
  const resource = `api://${state.callerAudience}`;
  const scopes = (query.get('scope') ?? '').split(' ').filter((scope) => scope !== '' && !OIDC_SCOPES.has(scope));
  const unknown = scopes.find((scope) => scope !== `${resource}/${API_SCOPE}` && scope !== `${resource}/.default`);
  if (unknown !== undefined) throw new EntraRefusal(650053, unknown);
  if (query.get('prompt') === 'none') throw new EntraRefusal(50058); // the emulator keeps no session
  return challenge;
}

function redeem(cloud: Cloud, codes: ReadonlyMap<string, IssuedCode>, form: URLSearchParams, clientId: string) {
  const code = codes.get(required(form, 'code'));
  if (!code || code.clientId !== clientId) throw new EntraRefusal(70000);
  if (code.isRedeemed) throw new EntraRefusal(54005);
  code.isRedeemed = true;
  if (code.expiresMs <= cloud.now()) throw new EntraRefusal(70008);
  if (form.get('redirect_uri') !== code.redirectUri) throw new EntraRefusal(500112);
  const digest = createHash('sha256')
    .update(form.get('code_verifier') ?? '')
    .digest('base64url');
  if (digest !== code.challenge) throw new EntraRefusal(501481);
  return { person: code.person, clientId, nonce: code.nonce, refreshUntil: newRefreshEnd(cloud) };
}

function singlePageApp(cloud: Cloud, clientId: string): AppState {
  const app = findApp(cloud.state, clientId);
  if (!app?.redirectUris) throw new EntraRefusal(700016, clientId);
  return app;
}

/** Entra gives tokens of a single-page app only to pages of its origins. */
function assertCrossOrigin({ redirectUris = [] }: AppState, origin: string | undefined): void {
  if (origin === undefined) throw new EntraRefusal(9002327);
  if (!redirectUris.some((uri) => new URL(uri).origin === origin)) throw new EntraRefusal(9002326);
}

/** Returns the headers that let a page of a registered origin read an answer; none for others. */
export function corsHeaders({ state }: Cloud, origin: string | undefined): Readonly<Record<string, string>> {
  const origins = state.apps.flatMap(({ redirectUris = [] }) => redirectUris.map((uri) => new URL(uri).origin));
  if (origin === undefined || !origins.includes(origin)) return {};
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, POST, OPTIONS',
    'access-control-allow-headers': 'content-type, client-request-id, return-client-request-id',
    vary: 'origin',
  };
}

function required(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null || value === '') throw new EntraRefusal(900144, name);
  return value;
}

function withParameters(uri: string, query: URLSearchParams, parameters: Readonly<Record<string, string>>): string {
  const mark = query.get('response_mode') === 'fragment' ? '#' : '?';
  return `${uri}${mark}${new URLSearchParams(parameters).toString()}`;
}

function withParameter(query: URLSearchParams, name: string, value: string): URLSearchParams {
  const changed = new URLSearchParams(query);
  changed.set(name, value);
  return changed;
}

const redirect = (location: string): Reply => ({
  status: 302,
  headers: { location, 'referrer-policy': 'no-referrer' },
});
