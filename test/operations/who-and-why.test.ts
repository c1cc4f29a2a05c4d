import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';
import { beginStream, postStream } from '../support/stream-client.ts';

/** More than a segment. */
const PIECE = Buffer.alloc(1_100_000, 'p');
const plaintext = Buffer.from('an invoice').toString('base64');
const CLAIMS = { subject: 'jane@example.com', reason: 'Grüße an 東京', label: 'payroll' };
const HEADERS = {
  'Access-Subject': 'jane@example.com',
  'Access-Reason': 'Gr%C3%BC%C3%9Fe%20an%20%E6%9D%B1%E4%BA%AC',
  'Access-Label': 'payroll',
};

/** Requires claims of contoso alone. */
const requiring = (record: Record<string, unknown>) =>
  record['id'] === 'contoso' ? { ...record, requiredAccess: ['subject', 'reason'] } : record;

let service: TestService;
let stored: string;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    tenant: requiring,
    config: { metrics: { enabled: true, port: 0 } },
  });
  stored = (await service.post('/tenants/fabrikam/encrypt', { plaintext })).body.ciphertext;
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

describe('claims about an access', () => {
  test('are in the record of every call on data, decoded', async () => {
    const post = (path: string, body: object) => service.post(`/tenants/fabrikam/${path}`, body).set(HEADERS);
    const { ciphertext } = (await post('encrypt', { plaintext })).body;
    const { fields } = (await post('documents/encrypt', { fields: { a: plaintext } })).body;
    const wrapped = (await service.post('/tenants/contoso/wrap', { value: plaintext, key: 'wrap' }).set(HEADERS)).body;
    const { status } = await service.post('/tenants/contoso/unwrap', wrapped).set(HEADERS);
    expect(status).toBe(200);
    const others = {
      decrypt: { ciphertext },
      rewrap: { ciphertext },
      'data-keys': {},
      'batch/encrypt': { items: [{ plaintext }] },
      'batch/decrypt': { items: [{ ciphertext }] },
      'batch/rewrap': { items: [{ ciphertext }] },
      'documents/decrypt': { fields },
      'documents/rewrap': { fields },
    };
    for (const [path, body] of Object.entries(others))
      expect([path, (await post(path, body)).status]).toEqual([path, 200]);
    await postStream(service, '/tenants/fabrikam/streams/encrypt', { body: Buffer.from('text'), headers: HEADERS });
    const records = (await service.auditRecords()).slice(1);
    expect(records.length).toBeGreaterThanOrEqual(14);
    expect(records.filter(({ access }) => JSON.stringify(access) !== JSON.stringify(CLAIMS))).toEqual([]);
  });

  test('are in the record of a refusal, and absent where the caller makes none', async () => {
    await service.post('/tenants/fabrikam/decrypt', { ciphertext: 'x' }).set(HEADERS);
    await service.post('/tenants/fabrikam/encrypt', { plaintext });
    const [refused, plain] = (await service.auditRecords()).slice(-2);
    expect(refused).toMatchObject({ outcome: 'refused', code: 'malformed-ciphertext', access: CLAIMS });
    expect(plain).not.toHaveProperty('access');
  });

  test('may be 256 characters long', async () => {
    const { status } = await service
      .post('/tenants/fabrikam/encrypt', { plaintext })
      .set('Access-Label', 'x'.repeat(256));
    expect(status).toBe(200);
  });

  test.each([
    ['257 characters', 'x'.repeat(257)],
    ['nothing', ''],
    ['a space', 'jane doe'],
    ['a tab', 'jane\tdoe'],
    ['other than ASCII', 'j\u00e4ne'],
    ['an encoded line feed', 'jane%0Adoe'],
    ['an encoded U+0000', 'jane%00'],
    ['an encoded change of direction', 'jane%E2%80%AEdoe'],
    ['a percent sign alone', '100%'],
    ['digits that are not hexadecimal', '%G1'],
    ['bytes that are not UTF-8', '%FF'],
    ['an encoded surrogate', '%ED%A0%80'],
  ])('of %s are refused and named', async (_what, value) => {
    const { status, body } = await service.post('/tenants/fabrikam/encrypt', { plaintext }).set('Access-Reason', value);
    expect([status, body.code]).toEqual([400, 'malformed-request']);
    expect(body.errors).toEqual([{ pointer: '/header/Access-Reason', detail: expect.any(String) }]);
  });

  test('that come twice are refused', async () => {
    const response = await fetch(`${service.url}/tenants/fabrikam/encrypt`, {
      method: 'POST',
      headers: [
        ['Authorization', `Bearer ${service.token()}`],
        ['Content-Type', 'application/json'],
        ['Access-Subject', 'jane'],
        ['Access-Subject', 'joe'],
      ],
      body: JSON.stringify({ plaintext }),
    });
    expect([response.status, (await response.json()) as object]).toEqual([
      400,
      expect.objectContaining({ code: 'malformed-request' }),
    ]);
  });

  test('on other calls are ignored', async () => {
    const get = service.request().get('/tenants/fabrikam').set('Authorization', `Bearer ${service.token()}`);
    expect((await get.set('Access-Reason', '100%')).status).toBe(200);
  });
});

describe('a tenant that requires claims', () => {
  test.each(['encrypt', 'decrypt', 'rewrap', 'wrap', 'unwrap', 'data-keys', 'batch/encrypt', 'documents/encrypt'])(
    'refuses %s without them before it reads the body',
    async (path) => {
      const { status, body } = await service
        .post(`/tenants/contoso/${path}`, '{ no JSON')
        .set('Access-Subject', 'jane');
      expect([status, body.code]).toEqual([400, 'malformed-request']);
      expect(body.errors).toEqual([{ pointer: '/header/Access-Reason', detail: "is required by the tenant's record" }]);
    },
  );

  test('refuses a stream without them', async () => {
    const { problem } = await postStream(service, '/tenants/contoso/streams/encrypt', { body: Buffer.from('text') });
    expect(problem.code).toBe('malformed-request');
  });

  test('serves a call with them, and other tenants without', async () => {
    expect((await service.post('/tenants/contoso/encrypt', { plaintext }).set(HEADERS)).status).toBe(200);
    expect((await service.post('/tenants/fabrikam/encrypt', { plaintext })).status).toBe(200);
  });

  test('requires them of what is moved to it from another', async () => {
    const move = { ciphertext: stored, to: { tenantId: 'contoso' } };
    expect((await service.post('/tenants/fabrikam/rewrap', move)).status).toBe(400);
    const { body } = await service.post('/tenants/fabrikam/batch/rewrap', { items: [move] });
    expect(body.items[0].error.code).toBe('malformed-request');
    expect((await service.post('/tenants/fabrikam/rewrap', move).set(HEADERS)).status).toBe(200);
  });

  test('is read and checked without them', async () => {
    const get = service.request().get('/tenants/contoso').set('Authorization', `Bearer ${service.token()}`);
    expect((await get).body.requiredAccess).toEqual(['subject', 'reason']);
    expect((await service.post('/tenants/contoso/check', {})).status).toBe(200);
  });
});

test('a record that starts to require claims ends a stream without them', async () => {
  const url = '/tenants/fabrikam';
  const stream = await beginStream(service, `${url}/streams/encrypt`, { body: PIECE });
  const authorization = { Authorization: `Bearer ${service.token()}` };
  const { headers } = await service.request().get(url).set(authorization);
  const patch = service
    .request()
    .patch(url)
    .set({ ...authorization, 'If-Match': headers['etag'] ?? '' });
  const patched = await patch
    .type('application/merge-patch+json')
    .send(JSON.stringify({ requiredAccess: ['subject'] }));
  expect(patched.status).toBe(200);
  service.clock.advance(2);
  stream.req.end(PIECE);
  expect(await stream.closed).toBe(false);
  expect((await service.auditRecords()).at(-1)).toMatchObject({
    operation: 'encrypt-stream',
    code: 'malformed-request',
  });
});

test('claims go neither into the log nor into metrics', async () => {
  await service.emulator.control.disableKey({ vault: 'fabrikam', key: 'data' });
  const secret = { 'Access-Subject': 'planted-subject', 'Access-Reason': 'planted-reason' };
  await service.post('/tenants/fabrikam/encrypt', { plaintext }).set(secret);
  await service.post('/tenants/fabrikam/encrypt', {}).set({ ...secret, 'Access-Label': 'planted%0A' });
  const metrics = await (await fetch(service.metricsUrl)).text();
  expect([...service.logLines, metrics].filter((text) => text.includes('planted-'))).toEqual([]);
});
