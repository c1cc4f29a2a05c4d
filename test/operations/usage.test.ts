import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { usageOf } from '../../src/audit/usage.ts';
import { isDataRole } from '../../src/callers/principal.ts';
import { operations } from '../../src/http/contract/contract.ts';
import type { Operation } from '../../src/http/contract/operation.ts';
import { streamOperations } from '../../src/http/contract/stream-contract.ts';
import { awayFromMidnight } from '../support/away-from-midnight.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  await awayFromMidnight();
  service = await startService({
    inDatabase: true,
    config: { audit: { database: true }, rounds: { enabled: false } },
    limits: { 'of-fabrikam': ['fabrikam'] },
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

async function get(query: string, token = service.token(), accept = 'application/json') {
  return service.request().get(`/usage${query}`).set('Authorization', `Bearer ${token}`).set('Accept', accept);
}

const rowOf = async (tenantId: string) => {
  const { body } = await get(`?tenantId=${tenantId}`);
  return body.usage[0];
};

const untilCounted = (tenantId: string, operations: number) =>
  until(async () => (await rowOf(tenantId))?.operations === operations, `${operations} operations of ${tenantId}`);

const encrypt = async (tenantId: string, plaintext = 'aGVsbG8=') => {
  const response = await service.post(`/tenants/${tenantId}/encrypt`, { plaintext });
  expect(response.status).toBe(200);
  return response.body.ciphertext;
};

test('a tenant has what its calls did: items and fields, bytes, failures and vault calls', async () => {
  const ciphertext = await encrypt('contoso');
  const items = [{ plaintext: 'aGVsbG8=' }, { plaintext: 'aGVsbG8=' }];
  await service.post('/tenants/contoso/batch/encrypt', { items }).expect(200);
  await service.post('/tenants/contoso/batch/decrypt', { items: [{ ciphertext }, { ciphertext: 'x' }] }).expect(200);
  await service
    .post('/tenants/contoso/documents/encrypt', { fields: { name: 'aGk=', city: 'aGk=', zip: 'aGk=' } })
    .expect(200);
  await service.post('/tenants/contoso/decrypt', { ciphertext: 'nonsense' }).expect(400);
  await untilCounted('contoso', 7);
  const row = await rowOf('contoso');
  expect(row).toMatchObject({ operations: 7, failures: 2, bytes: 4 * 5 + 3 * 2, leases: 0, leasedMessages: 0 });
  const calls = service.vaultCalls('contoso').filter((call) => call !== 'challenge').length;
  expect(row.vaultCalls).toBe(calls);
});

test('tenants come by id in pages, as JSON and as CSV', async () => {
  await encrypt('fabrikam');
  await untilCounted('fabrikam', 1);
  await untilCounted('contoso', 7);
  const first = await get('?limit=1');
  expect(first.body.usage.map((row: { readonly tenantId: string }) => row.tenantId)).toEqual(['contoso']);
  const second = await get(`?limit=1&cursor=${first.body.nextCursor}`);
  expect(second.body).toMatchObject({ usage: [{ tenantId: 'fabrikam', operations: 1 }] });
  expect(second.body.nextCursor).toBeUndefined();
  const csv = await get('?limit=1', service.token(), 'text/csv');
  expect(csv.headers).toMatchObject({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'next-cursor': first.body.nextCursor,
    vary: 'Accept',
  });
  const { vaultCalls } = first.body.usage[0];
  expect(csv.text).toBe(
    'tenantId,start,operations,failures,bytes,vaultCalls,leases,leasedMessages\r\n' +
      `contoso,,7,2,26,${vaultCalls},0,0\r\n`,
  );
});

test('tenants come by a measure in pages, and a cursor keeps to its order', async () => {
  await encrypt('fabrikam', Buffer.alloc(100).toString('base64'));
  await untilCounted('fabrikam', 2);
  const idsOf = ({ body }: { readonly body: { readonly usage: readonly { readonly tenantId: string }[] } }) =>
    body.usage.map(({ tenantId }) => tenantId);
  expect(idsOf(await get('?sort=operations'))).toEqual(['contoso', 'fabrikam']);
  const first = await get('?sort=bytes&limit=1');
  expect(idsOf(first)).toEqual(['fabrikam']);
  const second = await get(`?sort=bytes&limit=1&cursor=${first.body.nextCursor}`);
  expect([idsOf(second), second.body.nextCursor]).toEqual([['contoso'], undefined]);
  for (const query of [`sort=operations&cursor=${first.body.nextCursor}`, `cursor=${first.body.nextCursor}`])
    expect((await get(`?${query}`)).body).toMatchObject({ status: 400, errors: [{ pointer: '/query/cursor' }] });
  for (const query of ['sort=name', 'by=day&tenantId=contoso&sort=bytes'])
    expect((await get(`?${query}`)).body).toMatchObject({ status: 400, errors: [{ pointer: '/query/sort' }] });
  const limited = await service.emulator.issueCallerToken({ roles: ['Audit.Read'], claims: { azp: 'of-fabrikam' } });
  expect(idsOf(await get('?sort=operations', limited))).toEqual(['fabrikam']);
});

test('a tenant has its days and hours', async () => {
  await encrypt('contoso');
  await untilCounted('contoso', 8);
  for (const by of ['day', 'hour']) {
    const { body } = await get(`?by=${by}&tenantId=contoso&from=${new Date(midnight()).toISOString()}`);
    const sum = body.usage.reduce((total: number, row: { readonly operations: number }) => total + row.operations, 0);
    expect(sum).toBe(8);
    expect(body.usage.every(({ start }: { readonly start: string }) => Date.parse(start) >= midnight())).toBe(true);
  }
});

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const midnight = () => service.clock.wallMs() - (service.clock.wallMs() % DAY_MS);
const iso = (ms: number) => new Date(ms).toISOString();

test('a range has bounds: full hours, whole days before the last 8, 366 days', async () => {
  const refused = async (query: string, pointer: string) => {
    const response = await get(query);
    expect(response.body).toMatchObject({ status: 400, code: 'malformed-request', errors: [{ pointer }] });
  };
  const today = midnight();
  await refused(`?from=${iso(today + 1)}`, '/query/from');
  await refused(`?from=${iso(today - 9 * DAY_MS + HOUR_MS)}`, '/query/from');
  await refused(`?from=${iso(today - 30 * DAY_MS)}&to=${iso(today - 9 * DAY_MS + HOUR_MS)}`, '/query/to');
  await refused(`?from=${iso(today)}&to=${iso(today)}`, '/query/to');
  await refused(`?from=${iso(today - 367 * DAY_MS)}&to=${iso(today)}`, '/query/to');
  await refused(`?by=hour&tenantId=contoso&from=${iso(today - 9 * DAY_MS)}`, '/query/from');
  await refused('?by=day', '/query/tenantId');
  await refused('?by=week', '/query/by');
  await refused('?cursor=xx', '/query/cursor');
  await refused('?limit=201', '/query/limit');
  expect(await get(`?from=${iso(today - 366 * DAY_MS)}&to=${iso(today)}`)).toMatchObject({ status: 200 });
  expect(await get(`?from=${iso(today - 8 * DAY_MS + HOUR_MS)}`)).toMatchObject({ status: 200 });
});

test('only an auditor reads usage, and only that of its tenants', async () => {
  const operator = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'] });
  expect((await get('', operator)).body).toMatchObject({ status: 403, code: 'grant-missing', reason: 'Audit.Read' });
  const limited = await service.emulator.issueCallerToken({ roles: ['Audit.Read'], claims: { azp: 'of-fabrikam' } });
  const { body } = await get('', limited);
  expect(body.usage.map((row: { readonly tenantId: string }) => row.tenantId)).toEqual(['fabrikam']);
  expect((await get('?tenantId=contoso', limited)).body).toMatchObject({ status: 404, code: 'tenant-not-found' });
  const records = await service.auditRecords();
  expect(records).toContainEqual(expect.objectContaining({ operation: 'usage-read', outcome: 'succeeded' }));
});

describe('what a record counts for', () => {
  test('every call on data counts, and no other call', () => {
    const all: readonly Pick<Operation, 'auditedAs' | 'role'>[] = [
      ...Object.values<Operation>(operations),
      ...Object.values(streamOperations),
    ];
    const notCounted = ['lease', 'lease-open', 'lease-usage'];
    for (const { auditedAs = '', role } of all) {
      const counts = (usageOf({ operation: auditedAs, outcome: 'succeeded' })?.operations ?? 0) > 0;
      const isOnData = role !== undefined && isDataRole(role);
      const isDocument = auditedAs.endsWith('-document'); // its fields are in `keys`
      expect({ auditedAs, counts }).toEqual({
        auditedAs,
        counts: isOnData && !notCounted.includes(auditedAs) && !isDocument,
      });
    }
  });

  test('a stream counts at its end, a lease when it is given out, its messages by the final report', () => {
    const stream = { operation: 'encrypt-stream', outcome: 'succeeded', bytes: 7 } as const;
    expect(usageOf({ ...stream, phase: 'started' })).toBeUndefined();
    expect(usageOf({ ...stream, phase: 'finished' })).toMatchObject({ operations: 1, bytes: 7 });
    expect(usageOf({ operation: 'lease', outcome: 'succeeded' })).toMatchObject({ leases: 1, operations: 0 });
    const report = { operation: 'lease-usage', outcome: 'succeeded', items: { sealed: 3, opened: 4 } } as const;
    expect(usageOf(report)).toBeUndefined();
    expect(usageOf({ ...report, phase: 'finished' })).toMatchObject({ leasedMessages: 7, operations: 0 });
  });

  test('a damaged line counts for nothing that is no whole number', () => {
    const odd = { operation: 'encrypt', outcome: 'succeeded', bytes: '9', items: { succeeded: 1.5 } };
    expect(usageOf(odd as never)).toMatchObject({ operations: 0, bytes: 0 });
  });
});
