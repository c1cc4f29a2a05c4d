import { expect, test } from '@jest/globals';
import type { TestService } from './start-service.ts';
import { until } from './until.ts';

export interface Page {
  readonly records: readonly Record<string, unknown>[];
  readonly nextCursor?: string;
}

const plaintext = Buffer.from('an invoice').toString('base64');

/** Makes requests for two tenants, and waits until their records can be read. */
export async function leaveRecords(service: TestService): Promise<void> {
  for (let n = 0; n < 7; n += 1) await service.post('/tenants/contoso/encrypt', { plaintext });
  await service.post('/tenants/fabrikam/encrypt', { plaintext });
  await service.post('/tenants/contoso/decrypt', { ciphertext: '"tenantId":"fabrikam"' });
  await until(async () => {
    const { body } = await service
      .request()
      .get('/tenants/contoso/audit')
      .set('Authorization', `Bearer ${service.token()}`);
    return (body as Page).records.length >= 8;
  }, 'the records can be read');
}

/**
 * Tests reading the audit log, wherever the records are. The service uses a database and has left
 * records.
 */
export function testReading(serviceOf: () => TestService): void {
  const get = (path: string, token = serviceOf().token()) =>
    serviceOf().request().get(path).set('Authorization', `Bearer ${token}`);
  const list = async (tenant: string, query = '') => {
    const response = await get(`/tenants/${tenant}/audit${query}`);
    return { status: response.status, body: response.body as Page, headers: response.headers };
  };
  const encryptions = (records: Page['records']) => records.filter(({ operation }) => operation === 'encrypt');

  test("returns one tenant's records, newest first, as they are stored", async () => {
    const { status, body } = await list('contoso', '?limit=200');
    expect(status).toBe(200);
    expect(new Set(body.records.map(({ tenantId }) => tenantId))).toEqual(new Set(['contoso']));
    const times = body.records.map(({ at }) => String(at));
    expect(times).toEqual(times.toSorted().reverse());
    const stored = new Map((await serviceOf().auditRecords()).map((record) => [record['requestId'], record]));
    for (const record of body.records) expect(record).toEqual(stored.get(record['requestId']));
    expect(encryptions(body.records)).toHaveLength(7);
    expect(body.records.find(({ operation }) => operation === 'decrypt')).toMatchObject({ outcome: 'refused' });
  });

  test('continues page by page to the end, each record once', async () => {
    const to = new Date().toISOString();
    const all = (await list('contoso', `?limit=200&to=${to}`)).body;
    expect(all).not.toHaveProperty('nextCursor');
    const seen: unknown[] = [];
    let cursor = '';
    for (let pages = 0; pages < 50; pages += 1) {
      const { body } = await list('contoso', `?limit=3&to=${to}${cursor}`);
      seen.push(...body.records);
      if (body.nextCursor === undefined) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(seen).toEqual(all.records);
  });

  test('accepts a range of time: at or after its begin, and before its end', async () => {
    const { records } = (await list('contoso', '?limit=200')).body;
    const [last, first] = [encryptions(records)[1]?.['at'], encryptions(records)[4]?.['at']];
    const { body } = await list('contoso', `?from=${String(first)}&to=${String(last)}&limit=200`);
    expect(body.records).toEqual(records.filter(({ at }) => String(at) >= String(first) && String(at) < String(last)));
    expect(body.records.length).toBeGreaterThan(0);
    const elsewhere = String(first).replace('Z', '%2B00:00');
    expect((await list('contoso', `?from=${elsewhere}&to=${String(last)}&limit=200`)).body).toEqual(body);
    expect((await list('contoso', '?to=2020-01-01T00:00:00Z')).body.records).toEqual([]);
  });

  test('searches by operation, outcome, caller and text', async () => {
    const { records } = (await list('contoso', '?limit=200')).body;
    const refused = records.filter(({ outcome }) => outcome === 'refused');
    expect((await list('contoso', '?outcome=refused&limit=200')).body).toEqual({ records: refused });
    const [encrypted] = encryptions(records);
    const { requestId = '', principal = '' } = encrypted as { requestId?: string; principal?: string };
    const found = async (query: string) => (await list('contoso', `?limit=200&${query}`)).body.records;
    expect(await found('operation=encrypt&outcome=succeeded')).toEqual(encryptions(records));
    expect(await found('operation=encrypt&outcome=refused')).toEqual([]);
    expect(await found('operation=encryp')).toEqual([]);
    expect(await found(`text=${requestId.slice(4, 20).toUpperCase()}`)).toEqual([encrypted]);
    expect(await found(`text=${requestId}&operation=decrypt`)).toEqual([]);
    const subject = principal.slice(principal.lastIndexOf('#') + 1);
    for (const caller of [principal, subject])
      expect(await found(`operation=encrypt&caller=${encodeURIComponent(caller)}`)).toEqual(encryptions(records));
    expect(await found(`operation=encrypt&caller=${subject.slice(1)}`)).toEqual([]);
    expect((await list('fabrikam', `?text=${requestId}`)).body.records).toEqual([]);
  });

  test.each([
    ['operation=', '/query/operation'],
    ['operation=DECRYPT', '/query/operation'],
    [`operation=${'a'.repeat(65)}`, '/query/operation'],
    ['operation=encrypt&operation=decrypt', '/query/operation'],
    ['outcome=good', '/query/outcome'],
    ['caller=', '/query/caller'],
    [`caller=${'a'.repeat(513)}`, '/query/caller'],
    ['text=ab', '/query/text'],
    [`text=${'a'.repeat(201)}`, '/query/text'],
    ['text[a]=abc', '/query'],
  ])('refuses the search %s', async (query, pointer) => {
    const { status, body } = await list('contoso', `?${query}`);
    expect(status).toBe(400);
    expect(body).toMatchObject({
      code: 'malformed-request',
      errors: [{ pointer: expect.stringContaining(pointer) }],
    });
  });

  test.each(["'", '%25', '_', '\\', '"tenantId":"contoso"', '%00%00%00', '\u2028\u2028', 'é€😀', "';drop table x;--"])(
    'takes %s in a search as text',
    async (text) => {
      const odd = `${text}${text}${text}`;
      const query = odd.includes('%') ? odd : encodeURIComponent(odd);
      expect(await list('contoso', `?text=${query}`)).toMatchObject({ status: 200, body: { records: [] } });
    },
  );

  test('as NDJSON: a line for each record, the cursor in a header', async () => {
    const to = new Date().toISOString();
    const { body, headers } = await list('contoso', `?limit=3&to=${to}`);
    expect(headers['content-type']).toBe('application/json');
    const lines = await get(`/tenants/contoso/audit?limit=3&to=${to}`)
      .set('Accept', 'application/x-ndjson')
      .responseType('blob');
    expect(lines.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'next-cursor': body.nextCursor,
      vary: expect.stringContaining('Accept'),
    });
    const text = (lines.body as Buffer).toString();
    expect(text).toBe(body.records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  });

  test('is recorded itself, once per page', async () => {
    const { headers } = await list('contoso', '?limit=1');
    const records = await serviceOf().auditRecords();
    expect(records.filter(({ requestId }) => requestId === headers['x-request-id'])).toMatchObject([
      { operation: 'audit-read', outcome: 'succeeded', tenantId: 'contoso' },
    ]);
  });

  test('requires its own role, which no other one implies', async () => {
    const token = await serviceOf().emulator.issueCallerToken({
      roles: ['Tenants.Read', 'Tenants.Manage', 'Data.Decrypt'],
    });
    const { status, body } = await get('/tenants/contoso/audit', token);
    expect([status, body.code, body.reason]).toEqual([403, 'grant-missing', 'Audit.Read']);
  });

  test('is 404 for a tenant that never existed, and refuses an invalid cursor', async () => {
    expect(await list('never-was')).toMatchObject({ status: 404, body: { code: 'tenant-not-found' } });
    for (const query of ['cursor=abc', 'from=yesterday', 'limit=0', 'until=2026-01-01T00:00:00Z']) {
      expect(await list('contoso', `?${query}`)).toMatchObject({ status: 400, body: { code: 'malformed-request' } });
    }
  });

  test("returns a limited caller none of another tenant's records", async () => {
    const token = await serviceOf().emulator.issueCallerToken({
      roles: ['Audit.Read'],
      claims: { azp: 'of-fabrikam' },
    });
    expect((await get('/tenants/fabrikam/audit', token)).status).toBe(200);
    const { status, body } = await get('/tenants/contoso/audit', token);
    expect([status, body.code]).toEqual([404, 'tenant-not-found']);
  });

  test('works for a removed tenant', async () => {
    expect((await serviceOf().post('/tenants/contoso/suspend', {})).status).toBe(200);
    const { headers } = await get('/tenants/contoso');
    const removal = serviceOf()
      .request()
      .delete('/tenants/contoso')
      .set('If-Match', headers['etag'] ?? '');
    expect((await removal.set('Authorization', `Bearer ${serviceOf().token()}`)).status).toBe(204);
    const { status, body } = await list('contoso', '?limit=200');
    expect([status, encryptions(body.records).length]).toEqual([200, 7]);
  });
}
