import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { patchTenant } from '../../src/operations/change-tenant.ts';
import { scrape } from '../support/scrape.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ inDatabase: true, config: { metrics: { enabled: true, port: 0 } } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

type Method = 'get' | 'put' | 'patch' | 'delete' | 'post';

function send(method: Method, path: string, body?: object, headers: Record<string, string> = {}) {
  const request = service.request()[method](path).set('Authorization', `Bearer ${service.token()}`).set(headers);
  const type = method === 'patch' ? 'application/merge-patch+json' : 'application/json';
  return body ? request.set('Content-Type', type).send(JSON.stringify(body)) : request;
}

const record = (id: string, change: object = {}) => ({
  entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
  keys: { data: { vaultUrl: `https://${id}-kv.vault.azure.net`, name: 'data', use: 'data' } },
  defaultKey: 'data',
  ...change,
});
const create = async (id: string, change: object = {}) => {
  const response = await send('put', `/tenants/${id}`, record(id, change));
  expect(response.status).toBe(200);
  return String(response.headers['etag']);
};

async function remove(id: string) {
  const suspended = await send('post', `/tenants/${id}/suspend`);
  return send('delete', `/tenants/${id}`, undefined, { 'If-Match': String(suspended.headers['etag']) });
}

describe('a tenant', () => {
  test('has no member named __proto__ at any level, neither by PUT nor by PATCH', async () => {
    const tag = { 'If-Match': await create('plain') };
    const key = (more = '') => `{"vaultUrl":"https://plain-kv.vault.azure.net","name":"data","use":"data"${more}}`;
    const changes = [
      ['{"__proto__":{}}', '/__proto__'],
      [`{"keys":{"data":${key()},"__proto__":${key()}}}`, '/keys'],
      [`{"keys":{"data":${key(',"__proto__":{}')}}}`, '/keys/data/__proto__'],
      ['{"metadata":{"__proto__":"gold"}}', '/metadata'],
      ['{"graph":{"__proto__":{"users":true}}}', '/graph/__proto__'],
    ] as const;
    for (const [json, pointer] of changes) {
      const change = JSON.parse(json) as object;
      const refusal = { status: 400, body: { code: 'malformed-request', errors: [{ pointer }] } };
      expect(await send('patch', '/tenants/plain', change, tag)).toMatchObject(refusal);
      expect(await send('put', '/tenants/plain', { ...record('plain'), ...change }, tag)).toMatchObject(refusal);
    }
    expect((await send('get', '/tenants/plain')).headers['etag']).toBe(tag['If-Match']);
  });

  test('is created, read, replaced, patched and removed, each change with a new ETag', async () => {
    const created = await create('fresh');
    expect((await send('get', '/tenants/fresh')).headers['etag']).toBe(created);
    const replaced = await send('put', '/tenants/fresh', record('fresh', { displayName: 'New' }), {
      'If-Match': created,
    });
    expect([replaced.status, replaced.body.displayName]).toEqual([200, 'New']);
    const patched = await send(
      'patch',
      '/tenants/fresh',
      { displayName: null, metadata: { plan: 'gold' } },
      { 'If-Match': String(replaced.headers['etag']) },
    );
    expect(patched.body).toMatchObject({ metadata: { plan: 'gold' } });
    expect(patched.body).not.toHaveProperty('displayName');
    expect(new Set([created, replaced.headers['etag'], patched.headers['etag']]).size).toBe(3);
    const tag = { 'If-Match': String(patched.headers['etag']) };
    const early = await send('delete', '/tenants/fresh', undefined, tag);
    expect([early.status, early.body.code, early.body.reason]).toEqual([428, 'precondition-required', 'not-suspended']);
    const suspended = await send('post', '/tenants/fresh/suspend');
    const removed = await send('delete', '/tenants/fresh', undefined, {
      'If-Match': String(suspended.headers['etag']),
    });
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect((await send('get', '/tenants/fresh')).status).toBe(404);
  });

  test('is patched in the revision that the patch names, never in an older one that this process has in memory', async () => {
    const stored: unknown[] = [];
    const tenant = { id: 'lagging', revision: '3', ...record('lagging') };
    const deps = {
      tenants: {
        get: async () => tenant,
        put: async (put: object) => ({ ...tenant, revision: String(stored.push(put)) }),
      },
      parseTenant: (input: unknown) => input,
      obstacles: {},
      makeIndexKeys: () => undefined,
      audit: { record: async () => undefined },
    };
    const request = { requestId: 'a', principal: { id: 'b', roles: new Set(['Tenants.Manage']) } };
    const patch = (ifMatch: string) =>
      patchTenant(deps as never, request as never, { tenantId: 'lagging', record: { displayName: 'x' }, ifMatch });
    await expect(patch('"4"')).rejects.toMatchObject({ code: 'revision-mismatch' });
    expect(stored).toEqual([]);
    await patch('"3"');
    expect(stored).toMatchObject([{ displayName: 'x' }]);
  });

  test('has a unique id, even after its removal', async () => {
    await create('once');
    expect((await send('put', '/tenants/once', record('once'))).body.code).toBe('tenant-exists');
    await remove('once');
    expect((await send('put', '/tenants/once', record('once'))).body).toMatchObject({
      code: 'tenant-exists',
      reason: 'id-used-before',
    });
  });

  test('is restored unchanged, suspended, with its keys still its own', async () => {
    await create('undone', { displayName: 'Undone' });
    expect((await send('post', '/tenants/undone/restore')).body).toMatchObject({
      code: 'tenant-exists',
      reason: 'not-removed',
    });
    expect((await remove('undone')).status).toBe(204);
    expect((await send('put', '/tenants/thief-of-undone', record('undone'))).body.code).toBe('key-taken');
    const restored = await send('post', '/tenants/undone/restore');
    expect(restored.body).toMatchObject({ id: 'undone', displayName: 'Undone', state: 'suspended', revision: '4' });
    expect((await send('get', '/tenants/undone')).headers['etag']).toBe(restored.headers['etag']);
    expect((await send('post', '/tenants/undone/resume')).body.state).toBe('active');
    expect((await send('post', '/tenants/never-there/restore')).status).toBe(404);
    const operations = (await service.auditRecords()).filter(({ tenantId }) => tenantId === 'undone');
    expect(operations.map(({ operation }) => operation)).toContain('tenant-restore');
  });

  test('is changed only by a caller that has read it', async () => {
    const etag = await create('guarded');
    expect((await send('patch', '/tenants/guarded', { displayName: 'x' })).body.code).toBe('precondition-required');
    expect((await send('delete', '/tenants/guarded')).body.code).toBe('precondition-required');
    const stale = { 'If-Match': '"999"' };
    for (const response of [
      await send('put', '/tenants/guarded', record('guarded'), stale),
      await send('patch', '/tenants/guarded', { displayName: 'x' }, stale),
      await send('delete', '/tenants/guarded', undefined, stale),
    ]) {
      expect([response.status, response.body.code]).toEqual([412, 'revision-mismatch']);
    }
    for (const ifMatch of ['*', 'W/"1"', '1', '"1", "2"']) {
      const response = await send('patch', '/tenants/guarded', { displayName: 'x' }, { 'If-Match': ifMatch });
      expect(response.body).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/header/If-Match' }] });
    }
    expect((await send('get', '/tenants/guarded')).headers['etag']).toBe(etag);
  });

  test('never gets a key of another, and does not learn the owner', async () => {
    await create('keyholder');
    const response = await send('put', '/tenants/thief', record('keyholder'));
    expect([response.status, response.body.code]).toEqual([409, 'key-taken']);
    expect(response.body.errors[0].pointer).toBe('/keys/data');
    expect(JSON.stringify(response.body)).not.toContain('keyholder"');
  });

  test.each([
    ['an unknown member', { colour: 'red' }, '/colour'],
    ['another id than the path', { id: 'other' }, '/id'],
    [
      'a vault over http',
      { keys: { data: { vaultUrl: 'http://x-kv.vault.azure.net', name: 'd', use: 'data' } } },
      '/keys/data/vaultUrl',
    ],
    [
      'a vault elsewhere',
      { keys: { data: { vaultUrl: 'https://vault.azure.net.evil.example', name: 'd', use: 'data' } } },
      '/keys/data/vaultUrl',
    ],
    ['a default key that is not listed', { defaultKey: 'nope' }, '/defaultKey'],
    ['a directory that is no GUID', { entraTenantId: 'x' }, '/entraTenantId'],
  ])('with %s is refused with 400 at its place', async (_case, change, pointer) => {
    const response = await send('put', '/tenants/wrong', record('wrong', change));
    expect([response.status, response.body.code, response.body.errors[0].pointer]).toEqual([
      400,
      'malformed-request',
      pointer,
    ]);
  });

  test('accepts a patch only as a merge patch', async () => {
    const etag = await create('typed');
    const response = await send('patch', '/tenants/typed', { displayName: 'x' }, { 'If-Match': etag }).set(
      'Content-Type',
      'application/json',
    );
    expect(response.body.code).toBe('unsupported-media-type');
  });

  test('is changed only with Tenants.Manage, and each change is recorded', async () => {
    const reader = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'] });
    for (const [method, path] of [
      ['put', '/tenants/new'],
      ['patch', '/tenants/contoso'],
      ['delete', '/tenants/contoso'],
      ['post', '/tenants/contoso/suspend'],
    ] as const) {
      const body = method === 'put' ? record('new') : method === 'patch' ? {} : undefined;
      const response = await send(method, path, body, { Authorization: `Bearer ${reader}` });
      expect(response.body).toMatchObject({ code: 'grant-missing', reason: 'Tenants.Manage' });
    }
    const operations = (await service.auditRecords()).map(
      ({ operation, outcome }) => `${String(operation)} ${String(outcome)}`,
    );
    expect(operations).toEqual(
      expect.arrayContaining(['tenant-put succeeded', 'tenant-put refused', 'tenant-remove succeeded']),
    );
  });
});

describe('suspending a tenant', () => {
  const encrypt = () => service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' });

  test('refuses it at once and drops its keys and its token; resuming restores all', async () => {
    const sealed = await encrypt();
    expect(sealed.status).toBe(200);
    expect((await send('post', '/tenants/contoso/suspend')).body.state).toBe('suspended');
    expect((await encrypt()).body.code).toBe('tenant-suspended');
    expect((await service.post('/tenants/contoso/decrypt', { ciphertext: sealed.body.ciphertext })).body.code).toBe(
      'tenant-suspended',
    );
    expect((await send('post', '/tenants/contoso/suspend')).status).toBe(200);
    service.emulator.control.clearRequests();
    expect((await send('post', '/tenants/contoso/resume')).body.state).toBe('active');
    expect((await encrypt()).status).toBe(200);
    expect(service.vaultCalls('entra')).toContain('token');
    expect(service.vaultCalls('contoso')).toEqual(expect.arrayContaining(['wrapKey', 'unwrapKey']));
  });

  test('that does not exist is a 404', async () => {
    expect((await send('post', '/tenants/nobody/suspend')).body.code).toBe('tenant-not-found');
  });
});

describe('the use of keys', () => {
  test('is counted by key version, and shows that a retired key is still needed', async () => {
    const sealed = await service.post('/tenants/fabrikam/encrypt', { plaintext: 'aGk=', key: 'archive' });
    for (let time = 0; time < 2; time += 1) {
      await service.post('/tenants/fabrikam/decrypt', { ciphertext: sealed.body.ciphertext });
    }
    const { body, headers } = await send('get', '/tenants/fabrikam');
    expect(body.keyUsage).toEqual([{ keyId: sealed.body.keyId, sealed: 1, opened: 2, lastUsedAt: expect.any(String) }]);
    const { archive, ...keys } = body.keys;
    const retired = [{ vaultUrl: archive.vaultUrl, name: archive.name }];
    await send(
      'patch',
      '/tenants/fabrikam',
      { keys: { ...keys, archive: null }, retiredKeys: retired },
      { 'If-Match': String(headers['etag']) },
    );
    await service.post('/tenants/fabrikam/decrypt', { ciphertext: sealed.body.ciphertext });
    expect((await send('get', '/tenants/fabrikam')).body.keyUsage).toMatchObject([
      { keyId: sealed.body.keyId, opened: 3 },
    ]);
    expect((await send('get', '/tenants/contoso')).body.keyUsage).not.toContainEqual(
      expect.objectContaining({ keyId: sealed.body.keyId }),
    );
  });
});

test('suspending a tenant drops its data keys from memory before its next request, and those of no other tenant', async () => {
  const held = async () => (await scrape(service.metricsUrl)).get('vaultspan_tenants_active') ?? Number.NaN;
  const contoso = await service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' });
  const fabrikam = await service.post('/tenants/fabrikam/encrypt', { plaintext: 'aGk=' });
  expect([fabrikam.status, contoso.status]).toEqual([200, 200]);
  const before = await held();
  await send('post', '/tenants/contoso/suspend');
  await until(async () => (await held()) === before - 1);
  await send('post', '/tenants/contoso/resume');
});
