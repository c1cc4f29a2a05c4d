import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    config: { rounds: { enabled: true } },
    limits: { billing: ['northwind', 'contoso', 'gone'] },
  });
  await until(async () => (await get('/overview')).body.tenants.unchecked === 0);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const get = (path: string, token = service.token()) =>
  service.request().get(path).set('Authorization', `Bearer ${token}`);
const tokenOf = (...roles: string[]) => service.emulator.issueCallerToken({ roles });
const idsOf = (body: { readonly tenants: readonly { readonly id: string }[] }) => body.tenants.map(({ id }) => id);

describe('GET /overview', () => {
  test('counts tenants by state and by the step that failed', async () => {
    const { status, body } = await get('/overview');
    expect(status).toBe(200);
    expect(body.tenants).toEqual({ total: 4, active: 4, suspended: 0, failing: 2, unchecked: 0 });
    expect(body.failures).toEqual([
      { step: 'key data', state: 'role-missing', count: 1 },
      { step: 'sign-in', state: 'app-absent', count: 1 },
    ]);
  });

  test('has what this process counted, although metrics are off', async () => {
    await service.post('/tenants/contoso/encrypt', { plaintext: 'aGVsbG8=' }).expect(200);
    await service.post('/tenants/northwind/encrypt', { plaintext: 'aGVsbG8=' }).expect(403);
    const { process } = (await get('/overview')).body;
    expect(process).toMatchObject({ degraded: [], shed: [], openBreakers: [] });
    expect(Date.parse(process.startedAt)).toBeLessThanOrEqual(service.clock.wallMs());
    expect(process.vaultCalls).toContainEqual({ operation: 'unwrap', outcome: 'ok', count: expect.any(Number) });
    expect(process.signIns).toContainEqual({ name: 'ok', count: expect.any(Number) });
    expect(process.refusals).toEqual([{ name: 'role-missing', count: expect.any(Number) }]);
  });

  test('shows a limited caller the numbers of its own tenants and nothing of the process', async () => {
    const token = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'], claims: { azp: 'billing' } });
    expect((await get('/overview', token)).body).toEqual({
      tenants: { total: 2, active: 2, suspended: 0, failing: 1, unchecked: 0 },
      failures: [{ step: 'key data', state: 'role-missing', count: 1 }],
    });
  });

  test('requires Tenants.Read, and each answer is recorded', async () => {
    const token = await tokenOf('Tenants.Manage', 'Audit.Read', 'Data.Encrypt');
    for (const path of ['/overview', '/tenants/contoso/history']) {
      expect((await get(path, token)).body).toMatchObject({ code: 'grant-missing', reason: 'Tenants.Read' });
    }
    const records = await service.auditRecords();
    expect(records).toContainEqual(expect.objectContaining({ operation: 'overview', outcome: 'succeeded' }));
  });
});

describe('GET /tenants', () => {
  test('finds tenants by state and by the beginning of their name', async () => {
    expect(idsOf((await get('/tenants?state=failing&sort=name')).body)).toEqual(['adatum', 'northwind']);
    expect(idsOf((await get('/tenants?search=CON')).body)).toEqual(['contoso']);
    const { body } = await get('/tenants?search=%00').expect(400);
    expect(body).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/query/search' }] });
  });

  test('a cursor continues the order that it came from, and no other', async () => {
    const first = (await get('/tenants?sort=checked&limit=3').expect(200)).body;
    const second = (await get(`/tenants?sort=checked&limit=3&cursor=${first.nextCursor}`).expect(200)).body;
    expect([...idsOf(first), ...idsOf(second)].sort()).toEqual(['adatum', 'contoso', 'fabrikam', 'northwind']);
    expect(second).not.toHaveProperty('nextCursor');
    for (const query of [`sort=id&cursor=${first.nextCursor}`, `sort=checked&cursor=${forged('checked', 'x', 'a')}`]) {
      const { body } = await get(`/tenants?${query}`).expect(400);
      expect(body).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/query/cursor' }] });
    }
  });

  test('a limited caller finds only its own tenants', async () => {
    const token = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'], claims: { azp: 'billing' } });
    expect(idsOf((await get('/tenants?state=failing', token)).body)).toEqual(['northwind']);
    expect(idsOf((await get('/tenants?search=fab', token)).body)).toEqual([]);
  });
});

const forged = (...content: unknown[]) => Buffer.from(JSON.stringify(content)).toString('base64url');

describe('GET /tenants/{tenantId}/history', () => {
  test('names the authors of changes, and the checks with a new state', async () => {
    await service.post('/tenants/fabrikam/suspend', '').expect(200);
    const { body } = await get('/tenants/fabrikam/history').expect(200);
    const caller = expect.stringContaining('/v2.0#');
    expect(body.changes).toMatchObject([
      { revision: '2', action: 'suspended', by: caller },
      { revision: '1', action: 'created', by: 'test' },
    ]);
    expect(body.checks).toMatchObject([{ state: 'passed' }]);
    expect((await get('/tenants/nobody/history')).status).toBe(404);
  });
});

describe('POST /tenants/{tenantId}/check', () => {
  test('makes lists follow a result that differs from that of the last visit', async () => {
    const { control } = service.emulator;
    await control.grantRole({ vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' });
    const { body } = await service.post('/tenants/northwind/check', '').expect(200);
    expect(body.state).toBe('passed');
    await until(async () => (await get('/overview')).body.tenants.failing === 1);
    expect(idsOf((await get('/tenants?state=failing')).body)).toEqual(['adatum']);
  });
});
