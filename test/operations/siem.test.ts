import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { scrape } from '../support/scrape.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    config: {
      audit: { database: true },
      siem: { enabled: true },
      metrics: { enabled: true, port: 0 },
      rounds: { enabled: false },
    },
  });
});
afterEach(() => service.emulator.control.clearFaults());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns a token of the moment: the tests move the clock. */
const bearer = () => service.emulator.issueCallerToken();

const read = async (tenant = 'contoso') => {
  const request = service.request().get(`/tenants/${tenant}`);
  return (await request.set('Authorization', `Bearer ${await bearer()}`).expect(200)).body;
};

async function patch(change: object, tenant = 'contoso') {
  const { revision } = await read(tenant);
  return service
    .request()
    .patch(`/tenants/${tenant}`)
    .set('Authorization', `Bearer ${await bearer()}`)
    .set('If-Match', `"${revision}"`)
    .set('Content-Type', 'application/merge-patch+json')
    .send(JSON.stringify(change));
}

/** Each test has rules of its own. */
let stream = 0;

/** Gives the tenant a rule and registers it. */
async function connect(tenant = 'contoso') {
  stream += 1;
  const logsIngestion = await service.emulator.control.addRule({ tenant, stream: `Custom-Vaultspan${stream}` });
  expect(await patch({ siem: { logsIngestion } }, tenant)).toMatchObject({ status: 200 });
  return logsIngestion;
}

const post = async (path: string, body: object) => {
  const response = await service.post(`/tenants/${path}`, body, await bearer());
  expect(response).toMatchObject({ status: 200 });
  return response;
};

const encrypt = (tenant = 'contoso', encryptionContext = {}) =>
  post(`${tenant}/encrypt`, { plaintext: 'aGVsbG8=', encryptionContext });

const rows = (ruleId?: string): readonly Record<string, unknown>[] =>
  service.emulator.control
    .ingestedRows()
    .filter((entry) => ruleId === undefined || entry.ruleId === ruleId)
    .map(({ row }) => row);

const requestsOf = (found = rows()) => found.map((row) => (row['api'] as { request?: { uid?: string } }).request?.uid);

async function encrypted(count: number, tenant = 'contoso'): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const response = await encrypt(tenant);
    ids.push(String(response.headers['x-request-id']));
  }
  return ids;
}

/** Reads with a pause, since each reading makes a record that is delivered too. */
const untilDelivery = (what: string, isSo: (delivery: Record<string, unknown> | undefined) => boolean) =>
  until(async () => {
    await sleep(200);
    return isSo((await read()).siemDelivery);
  }, what);

const delivered = (ids: readonly string[]) =>
  until(() => ids.every((id) => requestsOf().includes(id)), 'the records in the SIEM');

test('records of a tenant arrive in its own rule, in order, with the vault call that the vault logged', async () => {
  const { ruleId } = await connect();
  const other = await connect('fabrikam');
  const ids = await encrypted(5);
  await encrypted(1, 'fabrikam');
  await delivered(ids);
  await until(() => rows(other.ruleId).length > 0, 'the record of the other tenant');
  const found = rows(ruleId);
  expect(requestsOf(found).filter((id) => ids.includes(String(id)))).toEqual(ids);
  const sequences = found.map((row) => (row['metadata'] as { sequence: number }).sequence);
  expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] ?? 0) + index));
  for (const row of found) expect(row).toMatchObject({ metadata: { tenant_uid: 'contoso' } });
  for (const row of rows(other.ruleId)) expect(row).toMatchObject({ metadata: { tenant_uid: 'fabrikam' } });
  const vaultIds = service.emulator.control.auditEvents().map(({ CorrelationId }) => CorrelationId);
  const calls = found.flatMap(
    (row) => (row['unmapped'] as { vaultRequestId?: string } | undefined)?.vaultRequestId ?? [],
  );
  expect(calls.length).toBeGreaterThanOrEqual(5);
  for (const id of calls) expect(vaultIds).toContain(id);
});

test('neither contexts nor tokens, plaintexts and hashes of the chain leave with the records', async () => {
  await connect();
  await encrypt('contoso', { patient: 'unmistakable' });
  await delivered(await encrypted(1));
  const sent = JSON.stringify(rows());
  for (const secret of ['unmistakable', 'patient', 'aGVsbG8', service.token(), '"salt"', '"mac"', '"previous"'])
    expect(sent).not.toContain(secret);
});

test('GET shows how far the records are, and the fix while the role is missing; no request is harmed', async () => {
  await connect();
  await delivered(await encrypted(1));
  await untilDelivery('the cursor', (delivery) => delivery?.['deliveredUntil'] !== undefined);
  await service.emulator.control.revokeRule({ tenant: 'contoso' });
  const ids = await encrypted(3);
  await untilDelivery('the refusal', (delivery) => delivery?.['trouble'] === 'siem-refused');
  const { siemDelivery } = await read();
  expect(siemDelivery).toMatchObject({
    trouble: 'siem-refused',
    fix: expect.stringContaining('Monitoring Metrics Publisher'),
  });
  expect(siemDelivery.waiting).toBeGreaterThanOrEqual(3);
  await encrypt();
  const metrics = await scrape(service.metricsUrl);
  expect(metrics.get('vaultspan_siem_tenants_failing')).toBe(1);
  await service.emulator.control.grantRule({ tenant: 'contoso' });
  service.clock.advance(60);
  await delivered(ids);
  await untilDelivery('the recovery', (delivery) => delivery?.['trouble'] === undefined);
});

test('an outage loses nothing, and 429 and 413 only cost time', async () => {
  const { control } = service.emulator;
  await connect();
  await control.injectFault({ at: 'ingestion', kind: 'reset' });
  const ids = await encrypted(4);
  await untilDelivery('the outage', (delivery) => delivery?.['trouble'] === 'siem-unavailable');
  expect(requestsOf().includes(ids[0])).toBe(false);
  await control.clearFaults();
  await control.injectFault({ at: 'ingestion', kind: 'status', status: 413, times: 2 });
  service.clock.advance(60);
  await delivered(ids);
  const headers = { 'retry-after': '30' };
  await control.injectFault({ at: 'ingestion', kind: 'status', status: 429, headers, times: 1 });
  const after = await encrypted(1);
  service.clock.advance(6);
  await untilDelivery('the 429', (delivery) => delivery?.['trouble'] === 'siem-throttled');
  service.clock.advance(20);
  await sleep(1_500);
  expect(requestsOf().includes(after[0])).toBe(false);
  service.clock.advance(20);
  await delivered(after);
  expect(requestsOf().filter((id) => ids.includes(String(id)))).toEqual(ids);
});

test('a redirect to another host is not followed', async () => {
  const { control, homeVaultUrl } = service.emulator;
  await connect();
  const headers = { location: `${homeVaultUrl}/elsewhere` };
  await control.injectFault({ at: 'ingestion', kind: 'status', status: 307, headers });
  await encrypted(1);
  service.clock.advance(10);
  await untilDelivery('the failure', (delivery) => delivery?.['trouble'] === 'siem-unavailable');
  expect(control.requests().filter(({ path }) => path === '/elsewhere')).toEqual([]);
});

const refusedSignIns = async () =>
  (await scrape(service.metricsUrl)).get('vaultspan_token_requests_total{outcome="refused"}') ?? 0;

test('a directory that refuses Azure Monitor keeps the sign-ins to its vaults', async () => {
  await connect();
  const { control } = service.emulator;
  await control.setMonitorPrincipal({ tenant: 'contoso', present: false });
  service.clock.advance(400); // every token is too old
  const ids = await encrypted(1);
  await untilDelivery('the refused sign-in', (delivery) => delivery?.['trouble'] === 'siem-sign-in');
  const before = await refusedSignIns();
  service.clock.advance(400); // every token is too old again, and the delivery signs in first
  await until(async () => (await refusedSignIns()) > before, 'the next refused sign-in');
  await encrypted(2); // its back-off holds: the clock stands still
  await control.setMonitorPrincipal({ tenant: 'contoso', present: true });
  service.clock.advance(60);
  await delivered(ids);
});

describe('registration', () => {
  const rule = { endpoint: 'https://localhost:1', ruleId: `dcr-${'0'.repeat(32)}`, stream: 'Custom-Vaultspan' };

  test.each([
    ['another host', { endpoint: 'https://evil.example' }, '/siem/logsIngestion/endpoint'],
    [
      'a suffix inside the name',
      { endpoint: 'https://a.ingest.monitor.azure.com.evil.example' },
      '/siem/logsIngestion/endpoint',
    ],
    ['a user part', { endpoint: 'https://a.ingest.monitor.azure.com@evil.example' }, '/siem/logsIngestion/endpoint'],
    ['plain HTTP', { endpoint: 'http://a.westeurope-1.ingest.monitor.azure.com' }, '/siem/logsIngestion/endpoint'],
    ['a path', { endpoint: 'https://a.westeurope-1.ingest.monitor.azure.com/x' }, '/siem/logsIngestion/endpoint'],
    ["the rule's name", { ruleId: 'vaultspan-rule' }, '/siem/logsIngestion/ruleId'],
    ['a path as the id', { ruleId: 'dcr-../../x' }, '/siem/logsIngestion/ruleId'],
    ['a path as the stream', { stream: 'Custom-../x' }, '/siem/logsIngestion/stream'],
    ['a table of Azure', { stream: 'Microsoft-Event' }, '/siem/logsIngestion/stream'],
  ])('refuses %s', async (_name, change, pointer) => {
    const response = await patch({ siem: { logsIngestion: { ...rule, ...change } } });
    expect(response).toMatchObject({ status: 400, body: { code: 'malformed-request', errors: [{ pointer }] } });
  });

  test('accepts an endpoint of the cloud', async () => {
    const endpoint = 'https://vaultspan-a1b2.westeurope-1.ingest.monitor.azure.com';
    expect(await patch({ siem: { logsIngestion: { ...rule, endpoint } } })).toMatchObject({ status: 200 });
  });
});

test('the doctor sends one event, and names the fix of a refusal', async () => {
  const { ruleId } = await connect();
  const check = async () => {
    const { body } = await post('contoso/check', {});
    return body.steps.find(({ name }: { name: string }) => name === 'siem');
  };
  expect(await check()).toMatchObject({ state: 'passed', detail: ruleId });
  expect(rows(ruleId).filter((row) => (row['api'] as { operation: string }).operation === 'siem-check')).toHaveLength(
    1,
  );
  await service.emulator.control.revokeRule({ tenant: 'contoso' });
  expect(await check()).toMatchObject({ state: 'failed', reason: 'siem-refused', fix: { owner: 'resource-owner' } });
  await service.emulator.control.injectFault({ at: 'ingestion', kind: 'status', status: 503, times: 1 });
  expect(await check()).toMatchObject({ state: 'passed', warnings: [expect.any(String)] });
});
