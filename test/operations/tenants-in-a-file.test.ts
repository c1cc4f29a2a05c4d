import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ limits: { billing: ['northwind', 'contoso', 'gone'] } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const get = (path: string, token = service.token()) =>
  service.request().get(path).set('Authorization', `Bearer ${token}`);

describe('reading tenants', () => {
  test('returns a record with its defaults and its revision as ETag', async () => {
    const response = await get('/tenants/contoso');
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({ id: 'contoso', state: 'active', origin: 'required', defaultKey: 'data' });
    expect(response.headers['etag']).toBe(`"${response.body.revision}"`);
  });

  test('lists all, page by page', async () => {
    const first = await get('/tenants?limit=3');
    expect(first.body.tenants.map(({ id }: { id: string }) => id)).toEqual(['adatum', 'contoso', 'fabrikam']);
    const second = await get(`/tenants?limit=3&cursor=${first.body.nextCursor}`);
    expect(second.body.tenants.map(({ id }: { id: string }) => id)).toEqual(['northwind']);
    expect(second.body).not.toHaveProperty('nextCursor');
  });

  test.each([
    ['limit=0', '/query/limit'],
    ['limit=201', '/query/limit'],
    ['limit=x', '/query/limit'],
    ['limit=1&limit=2', '/query/limit'],
    ['cursor=nonsense', '/query/cursor'],
    ['cursor=MTpCQUQ', '/query/cursor'],
    ['colour=red', '/query/colour'],
  ])('refuses ?%s at its place', async (query, pointer) => {
    expect((await get(`/tenants?${query}`)).body).toMatchObject({ code: 'malformed-request', errors: [{ pointer }] });
  });

  test('requires Tenants.Read', async () => {
    const token = await service.emulator.issueCallerToken({ roles: ['Tenants.Manage'] });
    for (const path of ['/tenants', '/tenants/contoso', '/tenants/contoso/onboarding']) {
      expect((await get(path, token)).body).toMatchObject({ code: 'grant-missing', reason: 'Tenants.Read' });
    }
  });

  test('shows a limited caller only its own tenants', async () => {
    const token = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'], claims: { azp: 'billing' } });
    expect((await get('/tenants', token)).body.tenants.map(({ id }: { id: string }) => id)).toEqual([
      'contoso',
      'northwind',
    ]);
    expect((await get('/tenants/fabrikam', token)).status).toBe(404);
  });
});

describe('writing tenants', () => {
  test.each([
    [
      'put',
      '/tenants/new',
      {
        entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
        defaultKey: 'd',
        keys: { d: { vaultUrl: 'https://new-kv.vault.azure.net', name: 'd', use: 'data' } },
      },
    ],
    ['delete', '/tenants/contoso', undefined],
    ['post', '/tenants/contoso/suspend', undefined],
  ] as const)('by %s on %s is answered with registry-read-only', async (method, path, body) => {
    const request = service.request()[method](path).set('Authorization', `Bearer ${service.token()}`);
    if (method === 'delete') request.set('If-Match', '"1"');
    const response = await (body
      ? request.set('Content-Type', 'application/json').send(JSON.stringify(body))
      : request);
    expect([response.status, response.body.code]).toEqual([409, 'registry-read-only']);
  });
});

test('without onboarding.url no link can be issued, and there is none', async () => {
  const { body } = await service.post('/tenants/contoso/onboarding-links', {});
  expect(body).toMatchObject({ code: 'link-not-found', fix: { owner: 'vendor' } });
  expect((await get('/tenants/contoso/onboarding-links')).body).toEqual({ links: [] });
});
