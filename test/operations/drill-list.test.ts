import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ inDatabase: true, limits: { billing: ['fabrikam'] } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const get = (path: string, token = service.token()) =>
  service.request().get(path).set('Authorization', `Bearer ${token}`);
const remove = (path: string) => service.request().delete(path).set('Authorization', `Bearer ${service.token()}`);
const cancelled = async (tenantId: string) => {
  const { report } = (await service.post(`/tenants/${tenantId}/drills`, { maxSeconds: 60 }).expect(200)).body;
  await remove(`/tenants/${tenantId}/drills/${report.drillId}`).expect(204);
  return report.drillId;
};

describe('GET /tenants/{tenantId}/drills', () => {
  test('lists the drills of one tenant, the newest first, with the verdict of each', async () => {
    expect((await get('/tenants/contoso/drills').expect(200)).body).toEqual({ drills: [] });
    const first = await cancelled('contoso');
    const second = await cancelled('contoso');
    const other = await cancelled('fabrikam');
    const { drills } = (await get('/tenants/contoso/drills').expect(200)).body;
    expect(drills.map(({ drillId }: { drillId: string }) => drillId)).toEqual([second, first]);
    expect(drills[0]).toEqual({
      drillId: second,
      state: 'cancelled',
      startedAt: expect.stringMatching(/Z$/),
      endedAt: expect.stringMatching(/Z$/),
      startedBy: expect.stringContaining('#'),
      boundSeconds: 300,
      verdict: 'not-shown',
    });
    expect((await get('/tenants/fabrikam/drills')).body.drills).toMatchObject([{ drillId: other }]);
  });

  test('shows a drill that runs', async () => {
    const { report } = (await service.post('/tenants/contoso/drills', { maxSeconds: 60 }).expect(200)).body;
    const [newest] = (await get('/tenants/contoso/drills')).body.drills;
    expect(newest).toMatchObject({ drillId: report.drillId, state: 'running' });
    expect(newest).not.toHaveProperty('endedAt');
    await remove(`/tenants/contoso/drills/${report.drillId}`).expect(204);
  });

  test('requires Tenants.Read for this tenant, and an id that exists', async () => {
    const manager = await service.emulator.issueCallerToken({ roles: ['Tenants.Manage', 'Audit.Read'] });
    const limited = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'], claims: { azp: 'billing' } });
    for (const token of [manager, limited]) {
      const { status, body } = await get('/tenants/contoso/drills', token);
      expect([status, body.code]).toEqual(token === manager ? [403, 'grant-missing'] : [404, 'tenant-not-found']);
    }
    expect((await get('/tenants/fabrikam/drills', limited)).status).toBe(200);
    expect((await get('/tenants/nobody/drills')).body).toMatchObject({ code: 'tenant-not-found' });
    expect((await get('/tenants/contoso/drills?limit=3')).body).toMatchObject({ code: 'malformed-request' });
  });

  test('each answer is recorded', async () => {
    await get('/tenants/contoso/drills').expect(200);
    expect(await service.auditRecords()).toContainEqual(
      expect.objectContaining({ operation: 'drill-list', outcome: 'succeeded', tenantId: 'contoso' }),
    );
  });
});
