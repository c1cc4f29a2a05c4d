import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { exchange, STILL_GOOD } from '../support/raw-exchange.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});
afterEach(async () => {
  expect((await service.post(ENCRYPT, BODY)).status).toBe(200);
});

const ENCRYPT = '/tenants/contoso/encrypt';
const BODY = '{"plaintext":"aGk="}';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const LENGTH = `Content-Length: ${BODY.length}\r\n`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const CHUNKS = `${chunk(BODY)}0\r\n\r\n`;

const bearer = (): string => `Authorization: Bearer ${service.token()}\r\n`;
/** Returns a valid encrypt request, except for its further headers and its body. */
const post = (headers: string, body: string, target = ENCRYPT): string =>
  `POST ${target} HTTP/1.1\r\nHost: x\r\n${bearer()}Content-Type: application/json\r\n${headers}\r\n${body}`;
const get = (target: string, headers = 'Host: x\r\n', version = 'HTTP/1.1'): string =>
  `GET ${target} ${version}\r\n${headers}\r\n`;
const many = (count: number, header: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => header(n)).join('');

type Case = readonly [what: string, raw: () => string];

async function answersTo(raw: string) {
  const answers = await exchange(service.url, raw);
  expect(answers.filter(({ body }) => body.includes('smuggled'))).toEqual([]);
  return answers;
}

/** Expects one refusal, a problem, and the end of the connection. */
async function expectRefused(raw: string, status: number): Promise<void> {
  const answers = await answersTo(raw);
  expect(answers.map((answer) => answer.status)).toEqual([status]);
  expect(answers[0]?.head).toMatch(/content-type: application\/problem\+json\r\n/i);
  expect(answers[0]?.head).toMatch(/connection: close\r\n/i);
  expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ code: 'malformed-request', status });
}

/** Expects one answer, and that the connection continues with the next request. */
async function expectAnswered(raw: string, status: number): Promise<string> {
  const answers = await answersTo(raw);
  expect(answers.map((answer) => answer.status)).toEqual([status, STILL_GOOD]);
  return answers[0]?.body ?? '';
}

test('a valid request follows, and the connection continues after it', async () => {
  expect(await expectAnswered(post(LENGTH, BODY), 200)).toContain('ciphertext');
  expect(await expectAnswered(post(CHUNKED, CHUNKS), 200)).toContain('ciphertext');
});

describe('a body whose end can be read in two ways', () => {
  test.each<Case>([
    ['a length and chunks', () => post(`Content-Length: 6\r\n${CHUNKED}`, `0\r\n\r\n${SMUGGLED}`)],
    ['chunks and a length', () => post(`${CHUNKED}Content-Length: 6\r\n`, `0\r\n\r\n${SMUGGLED}`)],
    ['two lengths', () => post(`Content-Length: 0\r\n${LENGTH}`, SMUGGLED)],
    ['the same length twice', () => post(LENGTH + LENGTH, BODY)],
    ['a list of lengths', () => post(`Content-Length: ${BODY.length}, ${BODY.length}\r\n`, BODY)],
    ['a length with a sign', () => post(`Content-Length: +${BODY.length}\r\n`, BODY)],
    ['a length below zero', () => post('Content-Length: -1\r\n', BODY)],
    ['a length in hex', () => post('Content-Length: 0x14\r\n', BODY)],
    ['a length beyond all numbers', () => post('Content-Length: 99999999999999999999999\r\n', BODY)],
    ['a length of nothing', () => post('Content-Length: \r\n', BODY)],
    ['a space before the colon', () => post('Transfer-Encoding : chunked\r\n', CHUNKS + SMUGGLED)],
    ['chunked twice', () => post(CHUNKED + CHUNKED, CHUNKS + SMUGGLED)],
    ['chunked, chunked', () => post('Transfer-Encoding: chunked, chunked\r\n', CHUNKS + SMUGGLED)],
    ['identity, chunked', () => post('Transfer-Encoding: identity, chunked\r\n', CHUNKS + SMUGGLED)],
    ['gzip, chunked', () => post('Transfer-Encoding: gzip, chunked\r\n', CHUNKS + SMUGGLED)],
    ['chunked, identity', () => post('Transfer-Encoding: chunked, identity\r\n', CHUNKS + SMUGGLED)],
    ['identity', () => post('Transfer-Encoding: identity\r\n', CHUNKS + SMUGGLED)],
    ['xchunked', () => post('Transfer-Encoding: xchunked\r\n', CHUNKS + SMUGGLED)],
    ['a vertical tab', () => post('Transfer-Encoding: \x0bchunked\r\n', CHUNKS + SMUGGLED)],
    ['quotes', () => post('Transfer-Encoding: "chunked"\r\n', CHUNKS + SMUGGLED)],
    ['a folded header', () => post('Transfer-Encoding:\r\n chunked\r\n', CHUNKS + SMUGGLED)],
    ['another header folded', () => post(`X: a\r\n Content-Length: 0\r\n${LENGTH}`, BODY)],
    ['a bare CR in a header', () => post(`X: a\rContent-Length: 0\r\n${LENGTH}`, BODY)],
    ['a bare LF after a header', () => post(`X: a\n${LENGTH}`, BODY)],
    ['bare LFs throughout', () => post(LENGTH, BODY).replaceAll('\r\n', '\n')],
    [
      'a head that ends with a bare LF',
      () => post('Content-Length: 0\r\n', '').replace(/\r\n\r\n$/, '\r\n\n') + SMUGGLED,
    ],
    ['chunks in HTTP/1.0', () => post(CHUNKED, CHUNKS + SMUGGLED).replace('HTTP/1.1', 'HTTP/1.0')],
  ])('%s: 400, closed, nothing smuggled', async (_what, raw) => {
    await expectRefused(raw(), 400);
  });
});

describe('chunks', () => {
  const size = BODY.length.toString(16);
  test.each<Case>([
    ['with bare LFs', () => `${size}\n${BODY}\n0\n\n${SMUGGLED}`],
    ['of a size beyond 64 bits', () => `10000000000000014\r\n${BODY}\r\n0\r\n\r\n`],
    ['of a size below zero', () => `-5\r\n${BODY}\r\n0\r\n\r\n`],
    ['of a size with a prefix', () => `0x14\r\n${BODY}\r\n0\r\n\r\n`],
    ['of a size with a space', () => `${size} \r\n${BODY}\r\n0\r\n\r\n`],
    ['longer than they say', () => `${size}\r\n${BODY}xx\r\n0\r\n\r\n${SMUGGLED}`],
    ['with an extension cut by LF', () => `${size};a\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`],
    ['with an endless extension', () => `${size};a=${'b'.repeat(40_000)}\r\n${BODY}\r\n0\r\n\r\n`],
    ['with a length in the trailer', () => `${chunk(BODY)}0\r\nContent-Length: 5\r\n\r\n${SMUGGLED}`],
  ])('%s: 400, closed', async (_what, chunks) => {
    await expectRefused(post(CHUNKED, chunks()), 400);
  });

  test('with a flood in the trailer: 431, closed', async () => {
    await expectRefused(post(CHUNKED, `${chunk(BODY)}0\r\nX: ${'a'.repeat(30_000)}\r\n\r\n`), 431);
  });

  test('with an extension are accepted, as the standard requires', async () => {
    await expectAnswered(post(CHUNKED, `${size};a=b\r\n${BODY}\r\n0\r\n\r\n`), 200);
  });

  test('with a token in the trailer have no token', async () => {
    const head = `POST ${ENCRYPT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${CHUNKED}\r\n`;
    await expectAnswered(`${head}${chunk(BODY)}0\r\n${bearer()}\r\n`, 401);
  });
});

describe('a request line', () => {
  test.each<Case>([
    ['of no version', () => 'GET /healthz\r\n\r\n'],
    ['of HTTP/1.2', () => get('/healthz', undefined, 'HTTP/1.2')],
    ['of HTTP/1.10', () => get('/healthz', undefined, 'HTTP/1.10')],
    ['of HTTP/2.0', () => get('/healthz', undefined, 'HTTP/2.0')],
    ['of the HTTP/2 preface', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['of a TLS handshake', () => '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'],
    ['of a method in lower case', () => get('/healthz').replace('GET', 'get')],
    ['of a method in mixed case', () => post(LENGTH, BODY).replace('POST', 'Post')],
    ['of an unknown method', () => get('/healthz').replace('GET', 'FOO')],
    ['with a NUL', () => get('/\0')],
    ['with a byte beyond ASCII', () => get('/\xff')],
    ['with a space in the path', () => get('/tenants/con toso')],
    ['with backslashes', () => get('\\healthz')],
    ['with a fragment', () => post(LENGTH, BODY, `${ENCRYPT}#/../fabrikam`)],
  ])('%s: 400, closed', async (_what, raw) => {
    await expectRefused(raw(), 400);
  });

  test('with more than 16 KiB: 431, closed', async () => {
    await expectRefused(get(`/${'a'.repeat(20_000)}`), 431);
  });

  test('that asks for a tunnel is closed', async () => {
    expect(await answersTo('CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n')).toEqual([]);
  });

  test.each([
    [`/${'a'.repeat(15_000)}`, 404],
    ['*', 404],
    ['/tenants/%00/encrypt', 400],
    ['/tenants/contoso/../fabrikam/encrypt', 404],
    ['/tenants/contoso/%2e%2e/fabrikam/encrypt', 404],
    ['/tenants/%2e%2e/encrypt', 400],
    ['/tenants/contoso%2fencrypt', 405],
    ['/tenants/contoso/%65ncrypt', 404],
    ['/tenants/contoso;a=b/encrypt', 400],
    ['/tenants/contoso%00/encrypt', 400],
    ['/tenants/%ef%bc%a3ontoso/encrypt', 400],
    ['/tenants/%c0%ae%c0%ae/encrypt', 400],
    ['http://evil.example/nope', 404],
  ])('with the target %s gets %i, and the connection continues', async (target, status) => {
    await expectAnswered(post(LENGTH, BODY, target), status);
  });

  test('of another host is handled here all the same: that host is never called', async () => {
    await expectAnswered(post(LENGTH, BODY, `https://evil.example${ENCRYPT}`), 200);
  });
});

describe('headers', () => {
  test.each<Case>([
    ['two hosts', () => get('/healthz', 'Host: x\r\nHost: y\r\n')],
    ['no host', () => get('/healthz', '')],
    ['a host with a path', () => get('/healthz', 'Host: x/y\r\n')],
    ['a host with a user', () => get('/healthz', 'Host: a@x\r\n')],
    ['a host of two words', () => get('/healthz', 'Host: a b\r\n')],
    ['an expectation that nobody meets', () => post(`Expect: tea\r\n${LENGTH}`, BODY)],
    ['an expectation, and chunks that are none', () => post(`Expect: tea\r\n${CHUNKED}`, `zz\r\n${SMUGGLED}`)],
    ['a NUL', () => get('/healthz', 'Host: x\r\nX: a\0b\r\n')],
  ])('with %s: 400, closed', async (_what, raw) => {
    await expectRefused(raw(), 400);
  });

  test.each<Case>([
    ['of 20 KB in one', () => get('/healthz', `Host: x\r\nX: ${'a'.repeat(20_000)}\r\n`)],
    ['of 20 KB in many', () => get('/healthz', `Host: x\r\n${many(1_000, (n) => `X-${n}: ${'a'.repeat(12)}\r\n`)}`)],
    ['of 5,000 empty ones', () => get('/healthz', `Host: x\r\n${'X:\r\n'.repeat(5_000)}`)],
  ])('%s: 431, closed', async (_what, raw) => {
    await expectRefused(raw(), 431);
  });

  test.each([
    ['Authorization', () => bearer(), 401],
    ['Authorization', () => 'Authorization: Bearer x\r\n', 401],
    ['Content-Type', () => 'Content-Type: text/plain\r\n', 415],
    ['Content-Type', () => 'Content-Type: application/json\r\n', 415],
    ['X-Request-Id', () => 'X-Request-Id: a\r\nX-Request-Id: b\r\n', 200],
  ])('with %s twice are not read by the first', async (_name, again, status) => {
    await expectAnswered(post(again() + LENGTH, BODY), status);
  });

  test('with a second token get 401 too', async () => {
    await expectAnswered(
      post(LENGTH, BODY).replace('Authorization:', 'Authorization: Bearer x\r\nAuthorization:'),
      401,
    );
  });

  test.each([
    ['/tenants?limit=1&limit=2', '/query/limit'],
    ['/tenants?__proto__=1', '/query/__proto__'],
    ['/tenants?__proto__[limit]=1', '/query/__proto__[limit]'],
    ['/tenants?constructor[prototype][limit]=1', '/query/constructor[prototype][limit]'],
    ['/tenants?limit[$gt]=1', '/query/limit[$gt]'],
  ])('and a query %s: 400 that names it', async (target, pointer) => {
    const body = await expectAnswered(get(target, `Host: x\r\n${bearer()}`), 400);
    expect(JSON.parse(body)).toMatchObject({ code: 'malformed-request', errors: [{ pointer }] });
  });

  test.each<[string, () => string, number]>([
    ['ask to override the method', () => get(ENCRYPT, `Host: x\r\n${bearer()}X-HTTP-Method-Override: POST\r\n`), 405],
    ['ask for a web socket', () => get('/healthz', 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'), 200],
    ['ask for HTTP/2', () => post(`Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n${LENGTH}`, BODY), 200],
    [
      'announce a body to GET',
      () => get('/healthz', `Host: x\r\nContent-Length: ${SMUGGLED.length}\r\n`) + SMUGGLED,
      200,
    ],
    ['wait for 100 Continue', () => post(`Expect: 100-continue\r\n${LENGTH}`, BODY), 200],
    ['come after empty lines', () => `\r\n\r\n${get('/healthz')}`, 200],
  ])('that %s get one answer', async (_what, raw, status) => {
    await expectAnswered(raw(), status);
  });

  test('of HTTP/1.0 get an answer and the end of the connection', async () => {
    expect((await answersTo(get('/healthz', '', 'HTTP/1.0'))).map(({ status }) => status)).toEqual([200]);
  });
});

describe('a compressed body', () => {
  test.each(['gzip', 'x-gzip', 'deflate', 'br', 'zstd', 'compress', 'identity, gzip', 'GZIP'])(
    'of %s: 415, not decompressed',
    async (coding) => {
      await expectAnswered(post(`Content-Encoding: ${coding}\r\n${LENGTH}`, BODY), 415);
    },
  );
});
