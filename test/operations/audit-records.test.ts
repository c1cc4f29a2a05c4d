import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { leaveRecords, type Page, testReading } from '../support/audit-reading.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ inDatabase: true, limits: { 'of-fabrikam': ['fabrikam'] } });
  await leaveRecords(service);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

describe('GET /tenants/{tenantId}/audit from files', () => {
  testReading(() => service);

  test('skips lines that are no records', async () => {
    const name = '20200101T000000000Z-6f1c0f5e-6a52-4a53-9a86-0c5b3f1c7d10-000001.ndjson';
    await writeFile(join(service.folder, 'audit', name), '{"chain":"\nnonsense with "tenantId":"northwind" in it\n');
    await service.post('/tenants/northwind/encrypt', { plaintext: 'aGk=' });
    const { status, body } = await service
      .request()
      .get('/tenants/northwind/audit')
      .set('Authorization', `Bearer ${service.token()}`);
    expect([status, (body as Page).records.length]).toEqual([200, 1]);
  });
});

test('a deployment without receipts has no transparency logs', async () => {
  const { status, body } = await service
    .request()
    .get('/tenants/northwind/log/checkpoint')
    .set('Authorization', `Bearer ${service.token()}`);
  expect(status).toBe(404);
  expect(body).toMatchObject({ code: 'log-not-found' });
});

test('a deployment that keeps its records in files sums up no usage', async () => {
  const { status, body } = await service.request().get('/usage').set('Authorization', `Bearer ${service.token()}`);
  expect(status).toBe(404);
  expect(body).toMatchObject({ code: 'usage-not-found', fix: { owner: 'vendor' } });
});
