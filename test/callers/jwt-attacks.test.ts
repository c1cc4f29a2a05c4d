import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign, type webcrypto } from 'node:crypto';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTokenVerifier } from '../../src/callers/verify-token.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { TestClock } from '../support/test-clock.ts';

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const PATH = '/tenants/contoso/encrypt';
const BODY = { plaintext: 'aGk=' };

interface Listener extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly string[];
}

/** Answers every request with the same JSON, and records it. */
async function listener(answer: object): Promise<Listener> {
  const requests: string[] = [];
  const server = createServer((req, res) => {
    requests.push(req.url ?? '');
    res.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const encode = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const decode = (part = ''): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString());

/** Returns the requested JWT, even one that libraries refuse to make. */
function jwt(header: object, claims: object | string, key?: KeyObject): string {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${key ? sign('sha256', Buffer.from(text), key).toString('base64url') : ''}`;
}
function hmac(header: object, claims: object, secret: string | Buffer): string {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

describe('over the wire, a token', () => {
  let service: TestService;
  let attacker: Listener;
  const evil = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const evilJwk = { ...evil.publicKey.export({ format: 'jwk' }), kid: 'evil', alg: 'RS256', use: 'sig' };
  /** The header of a valid token. */
  let header: Record<string, unknown>;
  let claims: Record<string, unknown>;
  let issuersKey: { readonly pem: string; readonly der: Buffer; readonly jwk: webcrypto.JsonWebKey };

  beforeAll(async () => {
    service = await startService();
    attacker = await listener({ keys: [evilJwk] });
    const [first, second] = service.token().split('.');
    header = decode(first);
    claims = decode(second);
    const { authorityHost, homeTenantId } = service.emulator;
    const response = await fetch(`${authorityHost}/${homeTenantId}/discovery/v2.0/keys`);
    const { keys } = (await response.json()) as { readonly keys: readonly [webcrypto.JsonWebKey] };
    const [jwk] = keys;
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    issuersKey = {
      pem: publicKey.export({ type: 'spki', format: 'pem' }),
      der: publicKey.export({ type: 'spki', format: 'der' }),
      jwk,
    };
  });
  afterAll(async () => {
    await attacker[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
  });

  async function expectRefused(token: string, reason: string): Promise<void> {
    const response = await service.post(PATH, BODY, token);
    expect(response.headers['www-authenticate']).toBe(`Bearer error="invalid_token", error_description="${reason}"`);
    expect({ ...response.body, requestId: '' }).toEqual({
      type: 'urn:vaultspan:problem:unauthenticated',
      title: 'The request has no valid token',
      status: 401,
      code: 'unauthenticated',
      detail: expect.any(String),
      requestId: '',
    });
    expect(attacker.requests).toEqual([]);
  }

  test('of ours is accepted', async () => {
    expect((await service.post(PATH, BODY)).status).toBe(200);
  });

  test.each(['none', 'None', 'NONE', 'nOnE', 'none ', '', 'null'])('of alg %j is refused', async (alg) => {
    const [, , signature = ''] = service.token().split('.');
    await expectRefused(jwt({ ...header, alg }, claims), 'signature');
    await expectRefused(jwt({ ...header, alg }, claims) + signature, 'signature');
  });

  test.each([null, 0, true, [], ['RS256'], { alg: 'RS256' }])('with an alg that is %j is refused', async (alg) => {
    const [, , signature = ''] = service.token().split('.');
    await expectRefused(jwt({ ...header, alg }, claims) + signature, 'signature');
  });

  test.each([
    ['PEM', () => issuersKey.pem],
    ['PEM without its last line feed', () => issuersKey.pem.trimEnd()],
    ['DER', () => issuersKey.der],
    ['JWK', () => JSON.stringify(issuersKey.jwk)],
    ['modulus', () => Buffer.from(issuersKey.jwk.n ?? '', 'base64url')],
    ['nothing', () => ''],
  ])('of HS256 with the issuer’s public key as %s is refused', async (_form, secret) => {
    for (const alg of ['HS256', 'hs256', 'RS256'])
      await expectRefused(hmac({ ...header, alg }, claims, secret()), 'signature');
  });

  test.each<[string, () => object]>([
    ['jwk', () => ({ jwk: evilJwk })],
    ['jku', () => ({ jku: `${attacker.url}/keys`, kid: 'evil' })],
    ['x5u', () => ({ x5u: `${attacker.url}/chain.pem`, kid: 'evil' })],
    ['x5c', () => ({ x5c: [evil.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] })],
    ['kid that is an address', () => ({ kid: `${attacker.url}/keys` })],
    ['kid that climbs', () => ({ kid: '../../../../dev/null' })],
    ['kid of SQL', () => ({ kid: "x' UNION SELECT 'key' --" })],
    ['kid of a command', () => ({ kid: '`id`;$(id)|id' })],
    ['kid of a NUL', () => ({ kid: 'evil\0' })],
    ['kid __proto__', () => ({ kid: '__proto__' })],
    ['kid that is no text', () => ({ kid: { toString: 'evil' } })],
    ['kid of 8,000 characters', () => ({ kid: 'k'.repeat(8_000) })],
    ['kid of the issuer', () => ({})],
    ['no kid', () => ({ kid: undefined })],
  ])('that brings its own key by %s is refused, and no issuer is called for it', async (_what, more) => {
    await expectRefused(jwt({ ...header, alg: 'RS256', ...more() }, claims, evil.privateKey), 'signature');
  });

  test.each<[string, (token: string) => string]>([
    ['a tab before it', (token) => `\t${token}`],
    ['a space in its signature', (token) => `${token.slice(0, -9)} ${token.slice(-9)}`],
    ['a tab in its payload', (token) => token.replace('.', '.\t')],
    ['padding', (token) => `${token}==`],
    [
      'spare bits in its signature',
      (token) => token.slice(0, -1) + { A: 'B', Q: 'R', g: 'h', w: 'x' }[token.slice(-1)],
    ],
    ['a fourth part', (token) => `${token}.`],
    ['five parts, as a JWE has', (token) => `${token}.a.a`],
    ['another token behind a comma', (token) => `${token}, Bearer ${token}`],
    ['quotes', (token) => `"${token}"`],
    ['letters of the other alphabet', (token) => token.replaceAll('_', '/').replaceAll('-', '+').replace(/^e/, '+')],
  ])('that is valid except for %s is refused', async (_what, change) => {
    await expectRefused(change(service.token()), 'signature');
  });

  test('of 15,000 characters is refused unread', async () => {
    await expectRefused(jwt(header, { ...claims, more: 'x'.repeat(11_000) }, evil.privateKey), 'signature');
  });

  test.each([
    'Bearer\t',
    'Bearer\u00a0',
    'Béarer ',
    'Bearer=',
    'Bearer:',
    'Token ',
    'DPoP ',
    'Basic ',
    'Bearer Bearer ',
    'Bearer',
  ])('after the scheme %j is refused', async (scheme) => {
    const authorization = `${scheme}${service.token()}`;
    const post = service.request().post(PATH).set('Content-Type', 'application/json');
    expect((await post.set('Authorization', authorization).send(BODY)).status).toBe(401);
  });

  test('after any case of Bearer is accepted', async () => {
    for (const scheme of ['bearer', 'BEARER']) {
      const post = service.request().post(PATH).set('Content-Type', 'application/json');
      expect((await post.set('Authorization', `${scheme} ${service.token()}`).send(BODY)).status).toBe(200);
    }
  });

  test.each(['query', 'body', 'cookie'])('in the %s does not count', async (place) => {
    const post = service.request().post(place === 'query' ? `${PATH}?access_token=${service.token()}` : PATH);
    if (place === 'cookie') post.set('Cookie', `access_token=${service.token()}`);
    const body = place === 'body' ? { ...BODY, access_token: service.token() } : BODY;
    const response = await post.set('Content-Type', 'application/json').send(body);
    expect([response.status, response.headers['www-authenticate']]).toEqual([401, 'Bearer']);
  });
});

describe('signed by a trusted issuer, a token', () => {
  const clock = new TestClock('running');
  const ours = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const others = generateKeyPairSync('rsa', { modulusLength: 2048 });
  /** Both issuers use the same id for their keys. */
  const set = ({ publicKey }: KeyPair) => ({
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid: '1' }],
  });
  const issued: Listener[] = [];
  let verify: ReturnType<typeof createTokenVerifier>;
  beforeAll(async () => {
    issued.push(await listener(set(ours)), await listener(set(others)));
    const [first, second] = issued.map(({ url }) => url);
    verify = createTokenVerifier(
      [
        { issuer: 'https://ours', audience: ['api'], rolesClaim: 'roles', jwksUrl: `${first}/keys` },
        { issuer: 'https://others', audience: ['others-api'], rolesClaim: 'roles', jwksUrl: `${second}/keys` },
      ],
      clock,
    );
  });
  afterAll(async () => {
    for (const one of issued) await one[Symbol.asyncDispose]();
  });

  const seconds = () => Math.floor(clock.wallMs() / 1_000);
  const good = () => ({ iss: 'https://ours', aud: 'api', sub: 'billing', exp: seconds() + 60 });
  const HEADER = { alg: 'RS256', kid: '1' };
  const reasonOf = async (token: string): Promise<unknown> =>
    Promise.resolve(verify(token)).then(
      ({ id }) => id,
      (error: { readonly code?: string; readonly reason?: string }) => `${error.code} ${error.reason}`,
    );

  test.each([undefined, 'JWT', 'jwt', 'at+jwt', 'application/at+jwt'])('of typ %s is accepted', async (typ) => {
    expect(await reasonOf(jwt({ ...HEADER, typ }, good(), ours.privateKey))).toBe('https://ours#billing');
  });

  test.each<[string, object, () => object | string, KeyPair, string]>([
    ["with another issuer's key under the same id", {}, good, others, 'signature'],
    ["with another issuer's audience", {}, () => ({ ...good(), aud: 'others-api' }), ours, 'audience'],
    [
      "of another issuer's name",
      {},
      () => ({ ...good(), iss: 'https://others', aud: 'others-api' }),
      ours,
      'signature',
    ],
    ['of an issuer with a slash more', {}, () => ({ ...good(), iss: 'https://ours/' }), ours, 'issuer'],
    ['of an issuer in other case', {}, () => ({ ...good(), iss: 'https://OURS' }), ours, 'issuer'],
    ['of two issuers', {}, () => ({ ...good(), iss: ['https://ours', 'https://others'] }), ours, 'issuer'],
    ['of the issuer __proto__', {}, () => ({ ...good(), iss: '__proto__' }), ours, 'issuer'],
    ['expired for longer than the leeway', {}, () => ({ ...good(), exp: seconds() - 61 }), ours, 'expired'],
    ['whose expiry is a text', {}, () => ({ ...good(), exp: `${seconds() + 60}` }), ours, 'lifetime'],
    ['without an expiry', {}, () => ({ ...good(), exp: undefined }), ours, 'lifetime'],
    ['with more than a day left', {}, () => ({ ...good(), exp: seconds() + 86_520 }), ours, 'lifetime'],
    [
      'issued for more than a day',
      {},
      () => ({ ...good(), iat: seconds() - 86_400, exp: seconds() + 400 }),
      ours,
      'lifetime',
    ],
    ['that is valid later than the leeway', {}, () => ({ ...good(), nbf: seconds() + 70 }), ours, 'not-yet-valid'],
    ['whose nbf is a text', {}, () => ({ ...good(), nbf: `${seconds()}` }), ours, 'lifetime'],
    ['with a critical extension', { crit: ['exp'], exp: 1 }, good, ours, 'signature'],
    ['with nothing critical', { crit: [] }, good, ours, 'signature'],
    ['with a payload that is not encoded', { crit: ['b64'], b64: false }, good, ours, 'signature'],
    ['of typ dpop+jwt', { typ: 'dpop+jwt' }, good, ours, 'signature'],
    ['of typ logout+jwt', { typ: 'logout+jwt' }, good, ours, 'signature'],
    ['of typ secevent+jwt', { typ: 'secevent+jwt' }, good, ours, 'signature'],
    ['of a typ that is no text', { typ: ['JWT'] }, good, ours, 'signature'],
    ['of alg PS256 and a signature of RS256', { alg: 'PS256' }, good, ours, 'signature'],
    ['of alg ES256 and an RSA key', { alg: 'ES256' }, good, ours, 'signature'],
    ['of alg EdDSA and an RSA key', { alg: 'EdDSA' }, good, ours, 'signature'],
    ['within a token', { cty: 'JWT' }, () => jwt(HEADER, good(), ours.privateKey), ours, 'signature'],
    ['of an array', {}, () => [good()], ours, 'signature'],
    ['of no JSON', {}, () => '{', ours, 'signature'],
    ['of a subject that is no text', {}, () => ({ ...good(), sub: { a: 1 } }), ours, 'subject'],
    ['of an empty subject', {}, () => ({ ...good(), sub: '' }), ours, 'subject'],
    ['without a subject', {}, () => ({ ...good(), sub: undefined }), ours, 'subject'],
    [
      "whose subject is in another form's claim",
      {},
      () => ({ ...good(), sub: undefined, azp: 'billing' }),
      ours,
      'subject',
    ],
  ])('%s is refused', async (_what, header, claims, { privateKey }, reason) => {
    expect(await reasonOf(jwt({ ...HEADER, ...header }, claims(), privateKey))).toBe(`unauthenticated ${reason}`);
  });

  test.each<[string, () => object]>([
    ['that expired within the leeway', () => ({ ...good(), exp: seconds() - 50 })],
    ['that is valid within the leeway', () => ({ ...good(), nbf: seconds() + 50 })],
    ['of a whole day, dated back as Entra does', () => ({ ...good(), iat: seconds() - 290, exp: seconds() + 86_400 })],
  ])('%s is accepted', async (_what, claims) => {
    expect(await reasonOf(jwt(HEADER, claims(), ours.privateKey))).toBe('https://ours#billing');
  });

  test('is cached under its own text only', async () => {
    const token = jwt(HEADER, good(), ours.privateKey);
    expect(await reasonOf(token)).toBe('https://ours#billing');
    for (const other of [`${token}=`, ` ${token}`, `${token} `, token.toUpperCase()]) {
      expect(await reasonOf(other)).toBe('unauthenticated signature');
    }
  });

  test('of any kind causes at most one call to each issuer', () => {
    expect(issued.map(({ requests }) => requests)).toEqual([['/keys'], ['/keys']]);
  });
});
