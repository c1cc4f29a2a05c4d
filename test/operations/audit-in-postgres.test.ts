import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { leaveRecords, testReading } from '../support/audit-reading.ts';
import { scrape } from '../support/scrape.ts';
import { newPostgres, type TestDatabase } from '../support/sql-databases.ts';
import { openProxy } from '../support/sql-proxy.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let proxy: Awaited<ReturnType<typeof openProxy>>;
let service: TestService;
beforeAll(async () => {
  database = await newPostgres();
  proxy = await openProxy(database.options);
  service = await startService({
    inDatabase: true,
    config: { database: { url: proxy.url }, metrics: { enabled: true, port: 0 } },
    limits: { 'of-fabrikam': ['fabrikam'] },
  });
  await leaveRecords(service);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const readiness = async () =>
  (await service.request().get('/readyz')).body as { readonly degraded?: readonly string[] };

const spool = async () => {
  const shown = await scrape(service.metricsUrl);
  return ['bytes', 'age_seconds'].map((what) => Number(shown.get(`vaultspan_audit_spool_${what}`)));
};

describe('GET /tenants/{tenantId}/audit from PostgreSQL', () => {
  testReading(() => service);
});

test('while PostgreSQL is unreachable operations are answered, and readiness reports the waiting records', async () => {
  const encrypt = () => service.post('/tenants/fabrikam/encrypt', { plaintext: 'aGk=' });
  expect((await encrypt()).status).toBe(200);
  proxy.turn('refusing');
  expect((await encrypt()).status).toBe(200);
  await until(async () => (await readiness()).degraded?.includes('audit') ?? false, 'the trouble shows');
  await until(async () => (await spool()).every((value) => value > 0), 'the metrics tell what waits');
  const { status, headers } = await encrypt();
  expect(status).toBe(200);
  proxy.turn('open');
  await until(async () => !(await readiness()).degraded?.includes('audit'), 'it is over');
  await until(async () => (await spool()).every((value) => value === 0), 'nothing waits');
  const { body } = await service
    .request()
    .get('/tenants/fabrikam/audit')
    .set('Authorization', `Bearer ${service.token()}`);
  expect(body.records.map(({ requestId }: { requestId: string }) => requestId)).toContain(headers['x-request-id']);
});
