import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { operations } from '../../src/http/contract/contract.ts';
import type { Operation } from '../../src/http/contract/operation.ts';
import { exchange, STILL_GOOD } from '../support/raw-exchange.ts';
import { startService, type TestService } from '../support/start-service.ts';

const ENCRYPT = '/tenants/contoso/encrypt';
const BODY = '{"plaintext":"aGk="}';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

describe('on every route', () => {
  const routes = [...Map.groupBy(Object.values<Operation>(operations), ({ path }) => path)];
  // A file registry refuses every change whatever its names are, and a tenant's records and
  // its leases remain after its removal.
  const isOfATenant = ({ path, role, errors }: Operation) =>
    path.includes('{tenantId}') &&
    role !== 'Tenants.Manage' &&
    role !== 'Audit.Read' &&
    !errors.includes('lease-not-found');
  const GUARDED = routes.filter(([, some]) => some.every(({ role }) => role !== undefined));

  test.each(['OPTIONS', 'TRACE', 'PROPFIND', 'LINK', 'QUERY'])(
    '%s gets 405, without any part of the request',
    async (method) => {
      await Promise.all(
        routes.map(async ([path]) => {
          const raw = `${method} ${path.replace('{tenantId}', 'contoso')} HTTP/1.1\r\nHost: x\r\nX-Secret: echo\r\n\r\n`;
          const answers = await exchange(service.url, raw);
          expect(answers.map(({ status }) => status)).toEqual([405, STILL_GOOD]);
          expect(answers[0]?.head).toMatch(/^allow: [A-Z, ]+\r$/im);
          expect(answers[0]?.body).not.toContain('echo');
        }),
      );
    },
  );

  test('HEAD requires the token that GET requires', async () => {
    const heads = GUARDED.map(async ([path, some]) => {
      const raw = `HEAD ${path.replace('{tenantId}', 'contoso')} HTTP/1.1\r\nHost: x\r\n\r\n`;
      const isRead = some.some(({ method }) => method === 'get');
      const answers = await exchange(service.url, raw, { isHead: true });
      expect(answers.map(({ status }) => status)).toEqual([isRead ? 401 : 405, STILL_GOOD]);
    });
    expect(heads.length).toBeGreaterThan(10);
    await Promise.all(heads);
  });

  const DRILL = '0b5c2f7e-6a51-4a1e-9d0c-3f2b7a9c1d44';
  test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'])(
    '%s is no tenant',
    async (name) => {
      const guarded = GUARDED.flatMap(([, some]) => some).filter(isOfATenant);
      const answers = guarded.map(({ method, path, bodyExample }) => {
        const call = service
          .request()
          [method](
            path
              .replace('{tenantId}', name)
              .replace('{drillId}', DRILL)
              .replace('{format}', 'az')
              .replace(/\{\w+\}/, 'email'),
          )
          .set('Authorization', `Bearer ${service.token()}`);
        return bodyExample === undefined
          ? call
          : call.set('Content-Type', 'application/json').send(JSON.stringify(bodyExample).replaceAll('…', ''));
      });
      const refused = (await Promise.all(answers)).map(({ status, body }) => `${status} ${body.code}`);
      const expected = /^[a-z0-9-]+$/.test(name) ? '404 tenant-not-found' : '400 malformed-request';
      expect(new Set(refused)).toEqual(new Set([expected]));
    },
  );
});

describe('names that every object has', () => {
  const NAMES = ['constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__', 'then', 'toJSON'];

  test.each(NAMES)('%s works in a context like any other name', async (name) => {
    const plaintext = 'aGk=';
    const sealed = await service.post(ENCRYPT, { plaintext, encryptionContext: { [name]: 'a' } });
    const open = (encryptionContext?: object) =>
      service.post('/tenants/contoso/decrypt', { ciphertext: sealed.body.ciphertext, encryptionContext });
    expect((await open({ [name]: 'a' })).body.plaintext).toBe(plaintext);
    for (const other of [{ [name]: 'b' }, {}, undefined, { other: 'a' }]) {
      expect((await open(other)).body.code).toBe('context-mismatch');
    }
  });

  test.each([...NAMES, '__proto__'])('%s is no alias of a key', async (key) => {
    for (const path of [ENCRYPT, '/tenants/contoso/data-keys']) {
      const body = path === ENCRYPT ? { plaintext: '', key } : { key };
      expect((await service.post(path, body)).body.code).toBe('unknown-key-alias');
    }
    expect((await service.post('/tenants/contoso/wrap', { value: 'aGk=', key })).body.code).toBe('unknown-key-alias');
  });

  test.each([...NAMES, '__proto__'])('%s is no member of a request, an item or a target', async (name) => {
    const member = `"${name}":{"key":"data"}`;
    const { ciphertext } = (await service.post(ENCRYPT, BODY)).body;
    const rewrap = `{"ciphertext":"${ciphertext}","to":{${member}}}`;
    expect((await service.post(ENCRYPT, `{"plaintext":"",${member}}`)).body.code).toBe('malformed-request');
    expect((await service.post('/tenants/contoso/rewrap', rewrap)).body).toMatchObject({
      code: 'malformed-request',
      errors: [{ pointer: `/to/${name}` }],
    });
    const batch = await service.post(
      '/tenants/contoso/batch/encrypt',
      `{"items":[{"plaintext":"",${member}},${BODY}]}`,
    );
    expect(batch.body.items).toMatchObject([{ error: { code: 'malformed-request' } }, { keyId: expect.any(String) }]);
    expect({}).not.toHaveProperty('key');
  });
});
