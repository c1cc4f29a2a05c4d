import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

const ALL = { organization: true, users: true, groups: true };
let service: TestService;

beforeAll(async () => {
  service = await startService({
    tenant: (record) => (record['id'] === 'northwind' ? record : { ...record, graph: ALL }),
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const get = (tenant: string, token = service.token()) =>
  service.request().get(`/tenants/${tenant}/directory`).set('Authorization', `Bearer ${token}`);

test('returns facts that the customer consented to, and the missing permission of the others', async () => {
  expect(await get('contoso')).toMatchObject({
    status: 200,
    body: {
      organization: {
        state: 'read',
        displayName: 'Contoso Ltd',
        verifiedDomains: ['contoso.onmicrosoft.com', 'contoso.com'],
      },
      users: { state: 'read', count: 250 },
      groups: { state: 'not-consented', permission: 'GroupMember.Read.All' },
    },
  });
  expect(await service.auditRecords()).toMatchObject([
    { operation: 'directory', outcome: 'succeeded', tenantId: 'contoso' },
  ]);
  expect(service.logLines.join()).not.toContain('Contoso Ltd');
});

test('without any consent nothing fails', async () => {
  const { status, body } = await get('fabrikam');
  expect([status, body.organization.state, body.users.state, body.groups.state]).toEqual([
    200,
    ...Array(3).fill('not-consented'),
  ]);
});

test('a record that asks for no facts gets none, and Azure is not called', async () => {
  service.emulator.control.clearRequests();
  expect(await get('northwind')).toMatchObject({ status: 200, body: {} });
  expect(service.vaultCalls('graph')).toEqual([]);
});

test('a directory without the app is access-revoked, a caller without the role gets 403', async () => {
  service.emulator.control.clearRequests();
  expect(await get('adatum')).toMatchObject({
    status: 403,
    body: { code: 'access-revoked', reason: 'app-absent' },
  });
  const token = await service.emulator.issueCallerToken({ roles: ['Tenants.Manage'] });
  expect(await get('contoso', token)).toMatchObject({ status: 403, body: { code: 'grant-missing' } });
  expect(service.vaultCalls('graph')).toEqual([]);
});
