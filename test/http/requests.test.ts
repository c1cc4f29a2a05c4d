import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const ENCRYPT = '/tenants/contoso/encrypt';
const PLAIN = Buffer.from('{"plaintext":"aGk="}');

/** Sends the headers unchanged: a client library would correct them. */
const send = (type: string, body: Buffer<ArrayBuffer>, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${service.url}${ENCRYPT}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${service.token()}`, 'Content-Type': type, ...headers },
    body,
  });

/** Returns an object with so many members. */
const crowded = (members: number): object =>
  Object.fromEntries(Array.from({ length: members }, (_, n) => [`field${n}`, n]));

describe('a body', () => {
  test.each([
    ['no JSON', '{"plaintext":', ''],
    ['empty', '', ''],
    ['an array', '[]', ''],
    ['a string', '"aGk="', ''],
    ['null', 'null', ''],
    ['without its required member', '{}', '/plaintext'],
    ['with a number for a string', '{"plaintext":1}', '/plaintext'],
    ['with an unknown member', '{"plaintext":"aGk=","plaintxt":""}', '/plaintxt'],
    ['that is nested too deep', `{"plaintext":"aGk=","a":${'['.repeat(32)}${']'.repeat(32)}}`, ''],
    ['that is nested without end', '['.repeat(5_000), ''],
    ['of more values than any request has', `[${'1,'.repeat(20_000)}1]`, ''],
    ['with an object of more members than any request has', JSON.stringify({ items: [crowded(1_001)] }), ''],
    ['with a member twice', '{"plaintext":"aGk=","key":"data","plaintext":"aGk="}', '/plaintext'],
    ['with a member twice, once with an escape', '{"plaintext":"aGk=","pl\\u0061intext":"aGk="}', '/plaintext'],
    ['with a member twice further down', '{"plaintext":"aGk=","a":[{},{"b/c":1,"b/c":1}]}', '/a/1/b~1c'],
    [
      'with a name twice in the context',
      '{"plaintext":"","encryptionContext":{"a":"1","a":"1"}}',
      '/encryptionContext',
    ],
    ['with __proto__', '{"plaintext":"aGk=","__proto__":{}}', '/__proto__'],
    ['with constructor', '{"plaintext":"aGk=","constructor":{}}', '/constructor'],
    ['with a member of slashes and tildes', '{"plaintext":"aGk=","a/b~c":1}', '/a~1b~0c'],
    ['with base64 of spare bits', '{"plaintext":"aGl="}', '/plaintext'],
    ['with base64 of mixed alphabets', '{"plaintext":"-+-+"}', '/plaintext'],
    ['with base64 of whitespace', '{"plaintext":"aG k="}', '/plaintext'],
    ['with base64 too much padded', '{"plaintext":"aGk=="}', '/plaintext'],
    ['with base64 of other letters', '{"plaintext":"aŁk="}', '/plaintext'],
    ['with an empty alias', '{"plaintext":"aGk=","key":""}', '/key'],
    ['with null for an optional member', '{"plaintext":"aGk=","key":null}', '/key'],
    ['with an array for a context', '{"plaintext":"aGk=","encryptionContext":["a"]}', '/encryptionContext'],
    ['with a number in the context', '{"plaintext":"aGk=","encryptionContext":{"a":1}}', '/encryptionContext'],
    [
      'with __proto__ in the context',
      '{"plaintext":"aGk=","encryptionContext":{"__proto__":"1"}}',
      '/encryptionContext',
    ],
    [
      'with a lone surrogate in the context',
      '{"plaintext":"aGk=","encryptionContext":{"a":"\\ud800"}}',
      '/encryptionContext',
    ],
  ])('%s is refused with 400 that names the place', async (_case, body, pointer) => {
    const response = await service.post(ENCRYPT, body);
    expect(response.status).toBe(400);
    expect(response.type).toBe('application/problem+json');
    expect(response.body).toMatchObject({ code: 'malformed-request', errors: [{ pointer }] });
  });

  test('names at most 16 of its wrong fields', async () => {
    const body = { ...crowded(900), plaintext: 1 };
    const response = await service.post(ENCRYPT, body);
    expect([response.status, response.body.errors.length]).toEqual([400, 16]);
  });

  test('of a batch reports a duplicate with its item, and never a name of a context', async () => {
    const post = (item: string) =>
      service.post('/tenants/contoso/batch/encrypt', `{"items":[{"plaintext":""},${item}]}`);
    const twice = await post('{"plaintext":"","plaintext":""}');
    expect(twice.body).toMatchObject({ status: 400, errors: [{ pointer: '/items/1/plaintext' }] });
    const inContext = await post('{"plaintext":"","encryptionContext":{"patient":"1","patient":"2"}}');
    expect(inContext.body).toMatchObject({ status: 400, errors: [{ pointer: '/items/1/encryptionContext' }] });
    expect(inContext.text).not.toContain('patient');
  });

  test.each([
    ['nested 5,000 levels deep', `{"metadata":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`, ''],
    ['with a member twice', '{"displayName":"a","displayName":"b"}', '/displayName'],
  ])('of a change %s is refused with 400', async (_what, body, pointer) => {
    const response = await service
      .request()
      .patch('/tenants/contoso')
      .set('Authorization', `Bearer ${service.token()}`)
      .set('Content-Type', 'application/merge-patch+json')
      .set('If-Match', '"1"')
      .send(body);
    expect(response.body).toMatchObject({ status: 400, code: 'malformed-request', errors: [{ pointer }] });
  });

  test.each([
    ['\u{feff}{"plaintext":""}', 'utf8', /BOM/],
    ['\u{feff}{"plaintext":""}', 'utf16le', /UTF-16.*BOM/],
  ] as const)('with a byte order mark is refused by name', async (text, encoding, detail) => {
    const response = await send('application/json', Buffer.from(text, encoding));
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ detail: expect.stringMatching(detail) }),
    ]);
  });

  test('that is not UTF-8 is refused, not repaired', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"plaintext":"aGk=","encryptionContext":{"a":"'),
      Buffer.of(0xff),
      Buffer.from('"}}'),
    ]);
    expect((await send('application/json', bytes)).status).toBe(400);
  });

  test.each([['aGk='], ['aGk'], ['-_-_'], ['+/+/'], ['']])('of base64 %j is accepted', async (plaintext) => {
    expect((await service.post(ENCRYPT, { plaintext })).status).toBe(200);
  });

  test.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['application/json; charset=latin1'],
    ['application/json; charset="latin1"'],
    ['application/json; charset=utf-8; charset=latin1'],
    ['application/json; charset = utf-8'],
    ['application/json; charset'],
    ['application/json, text/plain'],
    ['application/json; a=b, text/plain'],
    ['application/json; a="b'],
    ['application/jsonp'],
    [''],
  ])('of type %s is refused with 415', async (type) => {
    const response = await send(type, PLAIN);
    expect([response.status, await response.json()]).toEqual([
      415,
      expect.objectContaining({ code: 'unsupported-media-type' }),
    ]);
  });

  test.each([
    ['application/json; charset=utf-8'],
    ['application/json;charset=UTF8'],
    ['application/json ; charset="utf-8"'],
    ['application/json; charset="u\\tf-8"'],
    ['Application/JSON'],
    ['application/json;'],
    ['application/json;; charset=utf-8 ;'],
    ['application/json; version=1; note="a;b, c"'],
  ])('of type %s is accepted', async (type) => {
    expect((await send(type, PLAIN)).status).toBe(200);
  });

  test.each([
    ['gzip', 415],
    ['identity, gzip', 415],
    ['Identity', 200],
    ['identity, identity', 200],
  ])('of encoding %s gets %i', async (encoding, status) => {
    expect((await send('application/json', PLAIN, { 'Content-Encoding': encoding })).status).toBe(status);
  });

  test.each(['Bearer  ', 'bearer ', 'BEARER    '])('is accepted with a token after %j', async (scheme) => {
    const headers = { Authorization: `${scheme}${service.token()}` };
    expect((await send('application/json', PLAIN, headers)).status).toBe(200);
  });

  test('over the limit is refused with 413 before it is read, with or without a declared length', async () => {
    const size = 9_000_000; // the largest plaintext has less, with each letter escaped
    const head = `POST ${ENCRYPT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${service.token()}\r\nContent-Type: application/json\r\n`;
    const announced = await exchange(`${head}Content-Length: ${size}\r\n\r\n`);
    const chunked = await exchange(
      `${head}Transfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${'A'.repeat(size)}\r\n0\r\n\r\n`,
    );
    for (const answer of [announced, chunked]) {
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer).toContain('/streams/encrypt');
    }
  });
});

describe('a path', () => {
  test.each([
    ['/nope', 404, 'route-not-found'],
    ['/tenants/contoso/encrypt/', 404, 'route-not-found'],
    ['/Tenants/contoso/encrypt', 404, 'route-not-found'],
    ['//tenants/contoso/encrypt', 404, 'route-not-found'],
    ['/tenants/CONTOSO/encrypt', 400, 'malformed-request'],
    ['/tenants/con%2Ftoso/encrypt', 400, 'malformed-request'],
    ['/tenants/..%2f/encrypt', 400, 'malformed-request'],
    ['/tenants/%00/encrypt', 400, 'malformed-request'],
    ['/tenants/%zz/encrypt', 400, 'malformed-request'],
    ['/tenants/__proto__/encrypt', 400, 'malformed-request'],
    ['/tenants/constructor/encrypt', 404, 'tenant-not-found'],
    [`/tenants/${'a'.repeat(65)}/encrypt`, 400, 'malformed-request'],
    ['/tenants/nobody/encrypt', 404, 'tenant-not-found'],
  ])('%s gets %i %s', async (path, status, code) => {
    const response = await service.post(path, { plaintext: 'aGk=' });
    expect([response.status, response.body.code]).toEqual([status, code]);
  });

  test('with an unknown query is refused', async () => {
    const response = await service.post(`${ENCRYPT}?key=data`, { plaintext: 'aGk=' });
    expect(response.body).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/query/key' }] });
  });

  test('with another method gets 405 and the allowed method', async () => {
    const response = await service.request().get(ENCRYPT);
    expect([response.status, response.body.code, response.headers['allow']]).toEqual([
      405,
      'method-not-allowed',
      'POST',
    ]);
    expect((await service.request().options(ENCRYPT)).status).toBe(405);
    expect((await service.request().delete('/healthz')).headers['allow']).toBe('GET, HEAD');
  });
});

describe('a request', () => {
  test('gets an id of ours, whatever its own id is', async () => {
    const { headers } = await service.post(ENCRYPT, {}).set('X-Request-Id', 'my-own');
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('gets security headers and no cache, even on refusals', async () => {
    for (const path of ['/healthz', '/nope']) {
      const { headers } = await service.request().get(path);
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      expect(headers).not.toHaveProperty('x-powered-by');
    }
  });

  test.each([
    ['is no HTTP at all', 'nonsense\r\n\r\n', 400],
    ['has two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    [
      'has a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['names no path', 'GET http:// HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['expects what nobody can', 'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n', 400],
    ['has a space before its colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400],
    ['has headers without end', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ])('that %s is answered with a problem and closed', async (_case, raw, status) => {
    const answer = await exchange(raw);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain('application/problem+json');
  });
});

/** Sends bytes unchanged and returns the answer until the other side closes. */
function exchange(raw: string): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(service.url);
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(raw));
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
      if (answer.includes('\r\n\r\n')) socket.end();
    });
    socket.on('error', () => undefined).on('close', () => resolve(answer));
  });
}
