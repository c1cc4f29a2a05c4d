import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { startTrusted } from '../support/emulator-clients.ts';
import { TestClock } from '../support/test-clock.ts';

const ORIGIN = 'http://127.0.0.1:8080';
const REDIRECT_URI = `${ORIGIN}/console/`;
const VERIFIER = randomBytes(32).toString('base64url');
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');

let emulator: Emulator;
const clock = new TestClock();
beforeAll(async () => {
  emulator = await startTrusted({ now: () => clock.wallMs() });
  emulator.registerConsole([REDIRECT_URI]);
});
afterAll(() => emulator.close());

const endpoint = (name: string, host = emulator.signInUrl) => `${host}/${emulator.homeTenantId}/oauth2/v2.0/${name}`;
type Change = Readonly<Record<string, string | undefined>>;

function parameters(usual: Change, change: Change): URLSearchParams {
  const all = Object.entries({ ...usual, ...change });
  return new URLSearchParams(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const authorizeUrl = (change: Change = {}) =>
  `${endpoint('authorize')}?${parameters(
    {
      client_id: emulator.consoleClientId,
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      response_mode: 'fragment',
      scope: `api://${emulator.callerAudience}/access_as_user openid profile offline_access`,
      state: 'a&b=<state>',
      nonce: 'once',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
    },
    change,
  ).toString()}`;

/** Returns the parameters with which the browser comes back. */
async function returned(change: Change): Promise<URLSearchParams> {
  const response = await fetch(authorizeUrl(change), { redirect: 'manual' });
  expect(response.status).toBe(302);
  const location = response.headers.get('location') ?? '';
  const mark = (change['response_mode'] ?? 'fragment') === 'fragment' ? '#' : '?';
  expect(location.startsWith(`${REDIRECT_URI}${mark}`)).toBe(true);
  return new URLSearchParams(location.slice(REDIRECT_URI.length + 1));
}

const codeOf = async (choice: string) => (await returned({ choice })).get('code') ?? '';

/** The members of an answer that tests read; a refusal lacks the tokens. */
interface TokenAnswer {
  readonly access_token: string;
  readonly id_token: string;
  readonly refresh_token: string;
  readonly client_info: string;
  readonly error_description?: string;
}

async function redeem(change: Change, origin: string | undefined = ORIGIN) {
  const usual = {
    grant_type: 'authorization_code',
    client_id: emulator.consoleClientId,
    redirect_uri: REDIRECT_URI,
    code_verifier: VERIFIER,
  };
  const headers = origin === '' ? {} : { origin };
  const response = await fetch(endpoint('token'), { method: 'POST', headers, body: parameters(usual, change) });
  return { response, body: (await response.json()) as TokenAnswer };
}

describe('the page of /authorize', () => {
  test('offers each person and refuses to be framed', async () => {
    const response = await fetch(authorizeUrl());
    expect([response.status, response.headers.get('x-frame-options')]).toEqual([200, 'DENY']);
    const html = await response.text();
    for (const name of ['operator', 'auditor', 'nobody']) expect(html).toContain(`Sign in as ${name}`);
    expect(html).not.toContain('<state>');
  });

  test.each([
    ['an address that is not registered', { redirect_uri: 'http://127.0.0.1:8080/console/evil' }, 'AADSTS50011'],
    ['another app', { client_id: '914ef3b2-5d08-4c7a-a6e9-30f7b8125dc4' }, 'AADSTS700016'],
    ['no address', { redirect_uri: undefined }, 'AADSTS900144'],
  ])('shows the refusal of %s and sends nobody there', async (_what, change, number) => {
    const response = await fetch(authorizeUrl({ ...change, choice: 'operator' }), { redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([400, null]);
    expect(await response.text()).toContain(number);
  });

  test.each([
    ['a cancelled sign-in', { choice: 'cancel' }, 'access_denied', 65004],
    ['a silent sign-in', { prompt: 'none' }, 'login_required', 50058],
    ['a request without PKCE', { code_challenge: undefined }, 'invalid_request', 9002325],
    ['plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request', 9002325],
    ['an implicit grant', { response_type: 'token' }, 'unsupported_response_type', 700051],
    ['a form post', { response_mode: 'form_post' }, 'invalid_request', 90014],
    ['an unknown scope', { scope: 'api://other/access_as_user' }, 'invalid_client', 650053],
  ])('tells the app the refusal of %s', async (_what, change: Change, error, number) => {
    const answer = await returned(change);
    expect([answer.get('error'), answer.get('state')]).toEqual([error, 'a&b=<state>']);
    expect(answer.get('error_description')).toContain(`AADSTS${number}`);
  });

  test('answers by query on request', async () => {
    const answer = await returned({ choice: 'operator', response_mode: 'query' });
    expect([answer.get('state'), answer.has('code')]).toEqual(['a&b=<state>', true]);
  });
});

describe('a code', () => {
  test.each([
    ['operator', ['Tenants.Read', 'Tenants.Manage', 'Audit.Read', 'Data.Encrypt', 'Data.Decrypt']],
    ['auditor', ['Tenants.Read', 'Audit.Read']],
    ['nobody', undefined],
  ])('of %s yields tokens with the roles of that person', async (choice, roles) => {
    const { response, body } = await redeem({ code: await codeOf(choice) });
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, ORIGIN]);
    const access = decodeJwt(body.access_token);
    expect(access).toMatchObject({
      aud: emulator.callerAudience,
      iss: emulator.callerIssuer,
      azp: emulator.consoleClientId,
      scp: 'access_as_user',
      preferred_username: `${choice}@home.onmicrosoft.com`,
    });
    expect(access['roles']).toEqual(roles);
    expect(decodeJwt(body.id_token)).toMatchObject({ aud: emulator.consoleClientId, nonce: 'once' });
    expect(JSON.parse(Buffer.from(body.client_info, 'base64url').toString())).toEqual({
      uid: access['oid'],
      utid: emulator.homeTenantId,
    });
  });

  test('is redeemed once, with its own verifier and address, from a registered origin', async () => {
    const code = await codeOf('operator');
    expect((await redeem({ code })).response.status).toBe(200);
    expect((await redeem({ code })).body.error_description).toContain('AADSTS54005');
    const refused = async (change: Change, origin?: string) =>
      (await redeem({ code: await codeOf('operator'), ...change }, origin)).body;
    expect(await refused({ code_verifier: 'x'.repeat(43) })).toMatchObject({
      error: 'invalid_grant',
      error_codes: [501481],
    });
    expect(await refused({ code_verifier: undefined })).toMatchObject({ error_codes: [501481] });
    expect(await refused({ redirect_uri: `${ORIGIN}/` })).toMatchObject({ error_codes: [500112] });
    expect(await refused({ code: 'invented' })).toMatchObject({ error: 'invalid_grant', error_codes: [70000] });
    expect(await refused({}, '')).toMatchObject({ error: 'invalid_request', error_codes: [9002327] });
    expect(await refused({}, 'https://evil.example')).toMatchObject({ error_codes: [9002326] });
    const late = await codeOf('operator');
    clock.advance(601);
    expect((await redeem({ code: late })).body).toMatchObject({ error_codes: [70008] });
  });

  test('that Entra refuses on order is refused in a way that the page can read', async () => {
    const code = await codeOf('operator');
    await emulator.control.injectFault({
      at: 'entra',
      operation: 'token',
      kind: 'status',
      code: 'AADSTS700084',
      times: 1,
    });
    const { response, body } = await redeem({ code });
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([400, ORIGIN]);
    expect(body).toMatchObject({ error: 'invalid_grant', error_codes: [700084] });
  });

  test('is answered without CORS headers to an origin that is not registered', async () => {
    const { response } = await redeem({ code: await codeOf('operator') }, 'https://evil.example');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('a refresh token', () => {
  test('serves for 24 hours from the sign-in, however often it is used', async () => {
    const first = (await redeem({ code: await codeOf('auditor') })).body;
    clock.advance(23 * 3_600);
    const refresh = { grant_type: 'refresh_token', refresh_token: first.refresh_token };
    const second = await redeem(refresh);
    expect(second.response.status).toBe(200);
    expect(decodeJwt(second.body.access_token)['roles']).toEqual(['Tenants.Read', 'Audit.Read']);
    clock.advance(3_601);
    for (const { refresh_token } of [first, second.body]) {
      const late = await redeem({ ...refresh, refresh_token });
      expect(late.body).toMatchObject({ error: 'invalid_grant', error_codes: [700084] });
    }
  });

  test('is no access token, and an access token is no refresh token', async () => {
    const { body } = await redeem({ code: await codeOf('operator') });
    const swapped = await redeem({ grant_type: 'refresh_token', refresh_token: body.access_token });
    expect(swapped.body).toMatchObject({ error_codes: [70000] });
    expect(decodeJwt(body.refresh_token).aud).not.toBe(emulator.callerAudience);
  });
});

describe('the rest', () => {
  test('a sign-out returns to a registered address only', async () => {
    const signOut = (uri: string) =>
      fetch(`${endpoint('logout')}?${new URLSearchParams({ post_logout_redirect_uri: uri }).toString()}`, {
        redirect: 'manual',
      });
    expect((await signOut(REDIRECT_URI)).headers.get('location')).toBe(REDIRECT_URI);
    const elsewhere = await signOut('https://evil.example/');
    expect([elsewhere.status, elsewhere.headers.get('location')]).toEqual([200, null]);
  });

  test('discovery names the endpoints, and a preflight is answered', async () => {
    const url = `${emulator.authorityHost}/${emulator.homeTenantId}/v2.0/.well-known/openid-configuration`;
    expect(await (await fetch(url)).json()).toMatchObject({
      authorization_endpoint: endpoint('authorize', emulator.authorityHost),
      token_endpoint: endpoint('token', emulator.authorityHost),
      end_session_endpoint: endpoint('logout', emulator.authorityHost),
    });
    const preflight = await fetch(endpoint('token'), { method: 'OPTIONS', headers: { origin: ORIGIN } });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, ORIGIN]);
  });

  test('plain HTTP has nothing but the sign-in, and only under names of loopback', async () => {
    const graph = await fetch(`${emulator.signInUrl}/v1.0/users`);
    const identity = await fetch(`${emulator.signInUrl}/msi/token`);
    expect([graph.status, identity.status]).toEqual([404, 404]);
    const [rebound] = await once(get(authorizeUrl(), { headers: { host: 'rebound.example' } }), 'response');
    rebound.resume();
    expect(rebound.statusCode).toBe(404);
  });
});
