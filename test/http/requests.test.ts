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

  test('that is not UTF-8 is refused, not repaired', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"plaintext":"aGk=","encryptionContext":{"a":"'),
      Buffer.of(0xff),
      Buffer.from('"}}'),
    ]);
    const response = await fetch(`${service.url}${ENCRYPT}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${service.token()}` },
      body: bytes,
    });
    expect(response.status).toBe(400);
  });

  test.each([['aGk='], ['aGk'], ['-_-_'], ['+/+/'], ['']])('of base64 %j is taken', async (plaintext) => {
    expect((await service.post(ENCRYPT, { plaintext })).status).toBe(200);
  });

  test.each([
    ['text/plain', undefined],
    ['application/json; charset=latin1', undefined],
    ['application/x-www-form-urlencoded', undefined],
    ['application/json', 'gzip'],
  ])('of type %s and encoding %s is refused with 415', async (type, encoding) => {
    const post = service
      .request()
      .post(ENCRYPT)
      .set('Authorization', `Bearer ${service.token()}`)
      .set('Content-Type', type);
    if (encoding !== undefined) post.set('Content-Encoding', encoding);
    const response = await post.send(JSON.stringify({ plaintext: 'aGk=' }));
    expect([response.status, response.body.code]).toEqual([415, 'unsupported-media-type']);
  });

  test('of type application/json; charset=utf-8 is taken', async () => {
    const post = service.post(ENCRYPT, { plaintext: 'aGk=' }).set('Content-Type', 'application/json; charset=utf-8');
    expect((await post).status).toBe(200);
  });

  test('over the limit is refused with 413 before it is read, announced or not', async () => {
    const announced = await service.post(ENCRYPT, JSON.stringify({ plaintext: 'A'.repeat(1_500_000) }));
    expect([announced.status, announced.body.code]).toEqual([413, 'body-too-large']);
    const raw = await exchange(
      `POST ${ENCRYPT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${service.token()}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `16e360\r\n${'A'.repeat(0x16e360)}\r\n0\r\n\r\n`,
    );
    expect(raw).toMatch(/^HTTP\/1\.1 413 /);
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

  test('with a query that nothing asks for is refused', async () => {
    const response = await service.post(`${ENCRYPT}?key=data`, { plaintext: 'aGk=' });
    expect(response.body).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/query/key' }] });
  });

  test('with another method gets 405 and what it takes', async () => {
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
  test('gets an id of ours, whatever it calls itself', async () => {
    const { headers } = await service.post(ENCRYPT, {}).set('X-Request-Id', 'my-own');
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('gets security headers and no cache, on refusals as well', async () => {
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

describe('documentation', () => {
  test('is served from here alone, with the contract', async () => {
    const page = await service.request().get('/docs');
    expect(page.status).toBe(200);
    expect(page.text).not.toMatch(/https?:|<script>|<style|onload/);
    for (const path of ['/docs/start.js', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js']) {
      expect((await service.request().get(path)).status).toBe(200);
    }
    const odd = { Range: 'bytes=99999999-', 'If-Match': '"x"' };
    expect((await service.request().get('/docs/swagger-ui.css').set(odd)).status).toBe(200);
    expect((await service.request().get('/openapi.yaml')).text).toMatch(/^openapi: 3\.0\.3/);
  });
});

/** Sends bytes as they are and gives back what comes until the other side closes. */
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
