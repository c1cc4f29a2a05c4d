import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AppDeps } from '../../src/app.ts';
import { readinessRoute } from '../../src/http/routes/health-routes.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const ready = async () => {
  const { status, body } = await service.request().get('/readyz');
  return { status, body: body as { readonly status: string; readonly degraded?: readonly string[] } };
};

test('a process that answers is ready', async () => {
  expect(await ready()).toEqual({ status: 200, body: { status: 'ready' } });
  expect((await service.request().get('/healthz')).body).toEqual({ status: 'ok' });
});

test('a failure of the registry degrades the process, which stays ready: known tenants still work', async () => {
  await writeFile(join(service.folder, 'tenants.json'), '{"tenants": [');
  await until(async () => (await ready()).body.degraded !== undefined, 'the registry degrades the process');
  expect(await ready()).toEqual({ status: 200, body: { status: 'ready', degraded: ['registry'] } });
  expect((await service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' })).status).toBe(200);
});

test('an audit log that accepts no records, or a drain, makes it not ready', () => {
  const well = {
    audit: { trouble: () => undefined },
    auditDegraded: () => [],
    degradedHome: () => [],
    branchesDegraded: () => [],
    tenants: { trouble: () => undefined },
    isDraining: () => false,
  };
  const route = (change: object) => readinessRoute({ ...well, ...change } as unknown as AppDeps);
  const call = (change: object) => () => route(change)({} as never, undefined);
  expect(call({ audit: { trouble: () => 'ENOSPC' } })).toThrow(expect.objectContaining({ code: 'audit-unavailable' }));
  expect(call({ isDraining: () => true })).toThrow(expect.objectContaining({ code: 'draining' }));
  expect(call({})()).toEqual({ status: 'ready' });
  expect(call({ auditDegraded: () => ['audit-clock'] })()).toEqual({ status: 'ready', degraded: ['audit-clock'] });
});
