import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, SignJWT } from 'jose';
import { createTokenVerifier } from '../../src/callers/verify-token.ts';
import { startSecondProcess } from '../support/second-process.ts';
import { ALL_ROLES, startService, type TestService } from '../support/start-service.ts';
import { TestClock } from '../support/test-clock.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const BODY = { plaintext: 'aGk=' };
const encrypt = (token: string) => service.post('/tenants/contoso/encrypt', BODY, token);
const issue = (claims: Record<string, unknown>, expiresInSeconds = 600) =>
  service.emulator.issueCallerToken({ roles: ALL_ROLES, claims, expiresInSeconds });
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const PERSON = { azp: 'a7f0c3d2-6b14-4e89-9d35-81c2f4e6b709', scp: 'access_as_user', oid: 'ann' };
const DETAILS: Readonly<Record<string, RegExp>> = {
  expired: /has expired/,
  'not-yet-valid': /not valid yet/,
  lifetime: /no expiry or is valid for more than 24 hours/,
  subject: /names the caller/,
  audience: /another audience/,
  issuer: /is not configured/,
  delegated: /acts for a person/,
  signature: /signed with its issuer's keys/,
};

describe('a token', () => {
  test('of the issuer, for us and within its validity, is accepted', async () => {
    expect((await encrypt(await issue({}))).status).toBe(200);
  });

  test('that is missing, or of another scheme, gets 401 and a bare challenge', async () => {
    for (const authorization of [undefined, 'Basic YTpi', 'Bearer', '']) {
      const post = service.request().post('/tenants/contoso/encrypt').set('Content-Type', 'application/json');
      if (authorization !== undefined) post.set('Authorization', authorization);
      const response = await post.send(BODY);
      expect([response.status, response.headers['www-authenticate']]).toEqual([401, 'Bearer']);
      expect(response.body.detail).toMatch(/no bearer token/);
    }
  });

  test.each([
    ['expired for longer than the leeway', async () => issue({}, -61), 'expired'],
    ['acting for a person, without a console', async () => issue(PERSON), 'delegated'],
    ['not valid yet', async () => issue({ nbf: Math.floor(Date.now() / 1_000) + 120 }), 'not-yet-valid'],
    ['for two days', async () => issue({}, 2 * 86_400), 'lifetime'],
    ['without a subject', async () => issue({ azp: undefined }), 'subject'],
    ['for another audience', async () => issue({ aud: 'api://other' }), 'audience'],
    ['without an audience', async () => issue({ aud: undefined }), 'audience'],
    ['without an expiry', async () => issue({ exp: undefined }), 'lifetime'],
    ['of another issuer', async () => issue({ iss: 'https://evil.example/' }), 'issuer'],
    ['of no issuer', async () => issue({ iss: undefined }), 'issuer'],
    ['that is no JWT', async () => 'nonsense', 'signature'],
    ['of 20,000 characters', async () => 'a'.repeat(13_000), 'signature'],
    ['of another signature', async () => flipped(await issue({})), 'signature'],
    ['without a signature', async () => (await issue({})).replace(/[^.]*$/, ''), 'signature'],
    ['of alg none', async () => withAlgorithm(await issue({}), 'none', ''), 'signature'],
    ['signed by another key under the same kid', async () => foreign(await issue({})), 'signature'],
    ['signed by HMAC with the public key', async () => hmacWithPublicKey(await issue({})), 'signature'],
    ['with a critical extension', async () => critical(await issue({})), 'signature'],
    ['of a kid that climbs', async () => withKid(await issue({}), '../../etc/passwd'), 'signature'],
  ])('%s gets 401; the challenge and the detail say why', async (_case, make, reason) => {
    const response = await encrypt(await make());
    expect(response.status).toBe(401);
    expect(response.headers['www-authenticate']).toBe(`Bearer error="invalid_token", error_description="${reason}"`);
    const { requestId, ...body } = response.body as Record<string, unknown>;
    expect(body).toEqual({
      type: 'urn:vaultspan:problem:unauthenticated',
      title: 'The request has no valid token',
      status: 401,
      code: 'unauthenticated',
      detail: expect.stringMatching(DETAILS[reason] ?? /nothing/),
    });
    expect(requestId).toBe(response.headers['x-request-id']);
  });

  test('that is cached is refused once it has expired', async () => {
    const token = await issue({}, 60);
    expect((await encrypt(token)).status).toBe(200);
    service.clock.advance(121);
    expect((await encrypt(token)).status).toBe(401);
    service.clock.advance(-121);
  });

  test('without roles, or with roles that are no list, has no permission', async () => {
    for (const roles of [undefined, [], 'Data.Encrypt', { 0: 'Data.Encrypt' }]) {
      const response = await encrypt(await issue({ roles }));
      expect([response.status, response.body.code, response.body.reason]).toEqual([
        403,
        'grant-missing',
        'Data.Encrypt',
      ]);
    }
  });
});

test('an issuer with another name in its discovery document causes a warning at start', async () => {
  const { callerIssuer, callerAudience } = service.emulator;
  const audience = [callerAudience];
  const callers = [callerIssuer, `${callerIssuer}/`].map((issuer) => ({ issuer, audience }));
  await using other = await startSecondProcess(service, { callers });
  const warnings = () => other.logLines.filter((line) => line.includes('tokens of an issuer cannot be verified'));
  await until(() => warnings().length > 0, 'the warning');
  expect(warnings().map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      issuer: `${callerIssuer}/`,
      trouble: `its discovery document names the issuer ${callerIssuer}, which its tokens will contain`,
    }),
  ]);
});

describe('the verifier', () => {
  const clock = new TestClock('running');
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sign = (claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: '1' }).setExpirationTime('5m').sign(keys.privateKey);

  async function issuerAt(
    answer: () => object | undefined,
  ): Promise<AsyncDisposable & { readonly url: string; readonly hits: () => number }> {
    let hits = 0;
    const server = createServer((_req, res) => {
      hits += 1;
      const body = answer();
      res.statusCode = body ? 200 : 500;
      res.end(JSON.stringify(body ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { readonly port: number };
    return {
      url: `http://127.0.0.1:${port}/keys`,
      hits: () => hits,
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }
  const jwks = async () => ({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: '1', alg: 'ES256' }] });

  test('accepts both forms of an Entra issuer, and identifies the caller by azp or appid', async () => {
    const set = await jwks();
    await using issuer = await issuerAt(() => set);
    const directory = '11111111-2222-4333-8444-555555555555';
    const configured = {
      issuer: `https://login.microsoftonline.com/${directory}/v2.0`,
      audience: ['api'],
      rolesClaim: 'roles',
      jwksUrl: issuer.url,
    };
    const verify = createTokenVerifier([configured], clock);
    const v2 = await verify(
      await sign({ iss: configured.issuer, aud: 'api', azp: 'billing', roles: ['Data.Encrypt'] }),
    );
    const v1 = await verify(await sign({ iss: `https://sts.windows.net/${directory}/`, aud: 'api', appid: 'billing' }));
    expect(v2.id).toBe(`${configured.issuer}#billing`);
    expect(v1.id).toBe(`https://sts.windows.net/${directory}/#billing`);
    expect([...v2.roles]).toEqual(['Data.Encrypt']);
  });

  test('reads the subject from the one configured claim', async () => {
    const set = await jwks();
    await using issuer = await issuerAt(() => set);
    const verify = createTokenVerifier(
      [{ issuer: 'https://i', audience: ['api'], rolesClaim: 'roles', subjectClaim: 'appid', jwksUrl: issuer.url }],
      clock,
    );
    const claims = { iss: 'https://i', aud: 'api', azp: 'a', sub: 's' };
    expect((await verify(await sign({ ...claims, appid: 'billing' }))).id).toBe('https://i#billing');
    await expect(verify(await sign(claims))).rejects.toMatchObject({ reason: 'subject' });
    await expect(verify(await sign({ ...claims, appid: 7 }))).rejects.toMatchObject({ reason: 'subject' });
  });

  test('gives a subject its tenants, one with * all, and one that is not listed none', async () => {
    const set = await jwks();
    await using issuer = await issuerAt(() => set);
    const verify = createTokenVerifier(
      [
        {
          issuer: 'https://i',
          audience: ['api'],
          rolesClaim: 'roles',
          subjectClaim: 'sub',
          jwksUrl: issuer.url,
          limits: { billing: ['contoso'], operations: ['*'] },
        },
      ],
      clock,
    );
    expect((await verify(await sign({ iss: 'https://i', aud: 'api', sub: 'billing' }))).tenantIds).toEqual(
      new Set(['contoso']),
    );
    expect((await verify(await sign({ iss: 'https://i', aud: 'api', sub: 'operations' }))).tenantIds).toBeUndefined();
    for (const sub of ['constructor', 'unlisted']) {
      expect((await verify(await sign({ iss: 'https://i', aud: 'api', sub }))).tenantIds).toEqual(new Set());
    }
  });

  test('verifies a cached token again once its key has left the set, and accepts others during an outage', async () => {
    const set = await jwks();
    const state: { answer: object | undefined } = { answer: set };
    await using issuer = await issuerAt(() => state.answer);
    const moved = new TestClock('running');
    const verify = createTokenVerifier(
      [{ issuer: 'https://i', audience: ['api'], rolesClaim: 'roles', jwksUrl: issuer.url }],
      moved,
    );
    const token = await new SignJWT({ iss: 'https://i', aud: 'api', sub: 's' })
      .setProtectedHeader({ alg: 'ES256', kid: '1' })
      .setExpirationTime('2h')
      .sign(keys.privateKey);
    const outcome = async () =>
      Promise.resolve(verify(token)).then(
        ({ id }) => id,
        (error: { readonly code?: string; readonly reason?: string }) => `${error.code} ${error.reason}`,
      );
    expect(await outcome()).toBe('https://i#s');

    state.answer = undefined;
    moved.advance(601);
    expect(await outcome()).toBe('https://i#s');
    await until(() => issuer.hits() === 2, 'a second reading of the keys');
    expect(await outcome()).toBe('https://i#s');

    state.answer = { keys: [] };
    moved.advance(6);
    await until(async () => (await outcome()) === 'unauthenticated signature', 'the refusal');
  });

  test('calls the issuer once for many callers and not at all for a cached token', async () => {
    const set = await jwks();
    await using issuer = await issuerAt(() => set);
    const verify = createTokenVerifier(
      [{ issuer: 'https://i', audience: ['api'], rolesClaim: 'roles', jwksUrl: issuer.url }],
      clock,
    );
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, n) => sign({ iss: 'https://i', aud: 'api', sub: `s${n}` })),
    );
    await Promise.all(tokens.map(async (token) => verify(token)));
    await Promise.all(tokens.map(async (token) => verify(token)));
    expect(issuer.hits()).toBe(1);
  });

  test('does not call the issuer again for every unknown key id', async () => {
    const set = await jwks();
    await using issuer = await issuerAt(() => set);
    const verify = createTokenVerifier(
      [{ issuer: 'https://i', audience: ['api'], rolesClaim: 'roles', jwksUrl: issuer.url }],
      clock,
    );
    await verify(await sign({ iss: 'https://i', aud: 'api', sub: 'known' }));
    for (const kid of ['2', '3', '4']) {
      const token = await new SignJWT({ iss: 'https://i', aud: 'api', sub: 's' })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setExpirationTime('5m')
        .sign(keys.privateKey);
      await expect(verify(token)).rejects.toMatchObject({ code: 'unauthenticated', reason: 'signature' });
    }
    expect(issuer.hits()).toBe(1);
  });

  test('answers 503 if the issuer does not answer, and recovers', async () => {
    const set = await jwks();
    const state: { isUp: boolean } = { isUp: false };
    await using issuer = await issuerAt(() => (state.isUp ? set : undefined));
    const verify = createTokenVerifier(
      [{ issuer: 'https://i', audience: ['api'], rolesClaim: 'roles', jwksUrl: issuer.url }],
      clock,
    );
    const token = await sign({ iss: 'https://i', aud: 'api', sub: 's' });
    await expect(verify(token)).rejects.toMatchObject({ code: 'identity-unavailable' });
    state.isUp = true;
    expect((await verify(token)).id).toBe('https://i#s');
  });
});

function flipped(token: string): string {
  const at = token.length - 20;
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
}

function rewritten(token: string, change: (header: Record<string, unknown>) => void): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const members = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>;
  change(members);
  return `${part(members)}.${payload}.${signature}`;
}
const withKid = (token: string, kid: string) => rewritten(token, (header) => Object.assign(header, { kid }));
const critical = (token: string) => rewritten(token, (header) => Object.assign(header, { crit: ['x'], x: 1 }));
const withAlgorithm = (token: string, alg: string, signature: string) =>
  rewritten(token, (header) => Object.assign(header, { alg })).replace(/[^.]*$/, signature);

async function foreign(token: string): Promise<string> {
  const [header = '', payload = ''] = token.split('.');
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { readonly kid: string };
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey);
}

async function hmacWithPublicKey(token: string): Promise<string> {
  const response = await fetch(
    `${service.emulator.authorityHost}/${service.emulator.homeTenantId}/discovery/v2.0/keys`,
  );
  const { keys } = (await response.json()) as { readonly keys: readonly { readonly n: string }[] };
  const forged = withAlgorithm(token, 'HS256', '');
  const signature = createHmac('sha256', Buffer.from(keys[0]?.n ?? '', 'base64url'))
    .update(forged.slice(0, -1))
    .digest('base64url');
  return forged + signature;
}
