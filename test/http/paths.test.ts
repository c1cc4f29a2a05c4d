import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly allow: string | undefined;
  readonly code: string | undefined;
}

/** Sends the target unchanged: a URL parser would normalise it. */
function send(method: string, path: string): Promise<Answer> {
  const headers = { Authorization: `Bearer ${service.token()}`, 'Content-Type': 'application/json' };
  return new Promise((resolve, reject) => {
    const req = request(service.url, { method, path, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      res.on('end', () => {
        const code = text === '' ? undefined : (JSON.parse(text) as { readonly code?: string }).code;
        resolve({ status: res.statusCode ?? 0, allow: res.headers.allow, code });
      });
    });
    req.on('error', reject).end(method === 'POST' ? '{"plaintext":"aGk="}' : undefined);
  });
}

test.each([
  ['as it is documented', '/tenants/contoso/encrypt'],
  ['with an encoded letter', '/tenants/%63ontoso/encrypt'],
  ['with an empty query', '/tenants/contoso/encrypt?'],
  ['of absolute form', 'http://example.test/tenants/contoso/encrypt'],
])('a path %s reaches the operation', async (_name, path) => {
  expect(await send('POST', path)).toEqual({ status: 200, allow: undefined, code: undefined });
});

test.each([
  ['with a slash at the end', '/tenants/contoso/encrypt/', 404, 'route-not-found'],
  ['with two slashes', '/tenants//contoso/encrypt', 404, 'route-not-found'],
  ['in capital letters', '/tenants/contoso/ENCRYPT', 404, 'route-not-found'],
  ['with a dot segment', '/tenants/contoso/./encrypt', 404, 'route-not-found'],
  ['with an encoded letter in the name of the operation', '/tenants/contoso/%65ncrypt', 404, 'route-not-found'],
  ['of no operation', '/tenants/contoso/encrypts', 404, 'route-not-found'],
  ['named like a property', '/tenants/contoso/constructor', 404, 'route-not-found'],
  ['of the tenant alone', '/tenants/contoso/', 404, 'route-not-found'],
  ['with broken encoding', '/tenants/%zz/encrypt', 400, 'malformed-request'],
  ['with a query', '/tenants/contoso/encrypt?key=data', 400, 'malformed-request'],
  ['with an impossible tenant', '/tenants/Contoso/encrypt', 400, 'malformed-request'],
  ['with a tenant of 65 letters', `/tenants/${'a'.repeat(65)}/encrypt`, 400, 'malformed-request'],
  ['with an unknown tenant', '/tenants/nobody/encrypt', 404, 'tenant-not-found'],
])('a path %s is refused', async (_name, path, status, code) => {
  expect(await send('POST', path)).toEqual({ status, allow: undefined, code });
});

test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s on the path of a POST is refused', async (method) => {
  expect(await send(method, '/tenants/contoso/encrypt')).toEqual({
    status: 405,
    allow: 'POST',
    code: 'method-not-allowed',
  });
});
