import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    config: { rounds: { enabled: false }, quota: { operations: 1_000, periodSeconds: 86_400 } },
    tenant: (record) =>
      record['id'] === 'contoso' ? { ...record, quota: { operations: 4, bytes: 100, periodSeconds: 3_600 } } : record,
  });
  service.clock.advance(3_600 - ((service.clock.wallMs() / 1_000) % 3_600)); // a period begins
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns a token of the moment: the tests move the clock. */
const bearer = () => service.emulator.issueCallerToken();
const call = async (path: string, body: object) => service.post(`/tenants/${path}`, body, await bearer());
const encrypt = (tenant: string) => call(`${tenant}/encrypt`, { plaintext: 'aGVsbG8=' });

/** Returns a parameter of a header's item; undefined if the header has no such item. */
const parameterOf = (header: string | undefined, item: string, name: 'r' | 't'): number | undefined => {
  const [, value] = new RegExp(`"${item}";(?:[^,]*;)?${name}=(\\d+)`).exec(header ?? '') ?? [];
  return value === undefined ? undefined : Number(value);
};
const leftOf = ({ headers }: { readonly headers: Readonly<Record<string, string>> }, item = 'operations') =>
  parameterOf(headers['ratelimit'], item, 'r');
const secondsOf = ({ headers }: { readonly headers: Readonly<Record<string, string>> }) =>
  parameterOf(headers['ratelimit'], 'operations', 't');

test('each answer says what is left; beyond the quota calls on data are refused until the period ends', async () => {
  const first = await encrypt('contoso');
  expect(first.status).toBe(200);
  expect(first.headers['ratelimit-policy']).toBe('"operations";q=4;w=3600, "bytes";q=100;qu="content-bytes";w=3600');
  expect([leftOf(first), leftOf(first, 'bytes')]).toEqual([4, 100]);
  expect(secondsOf(first)).toBeGreaterThan(0);
  const { ciphertext } = first.body;
  const batch = await call('contoso/batch/decrypt', { items: [{ ciphertext }, { ciphertext }, { ciphertext }] });
  expect(leftOf(batch)).toBe(3);

  const refused = await encrypt('contoso');
  expect(refused.body).toMatchObject({ status: 429, code: 'quota-exceeded', reason: 'operations' });
  expect([leftOf(refused), leftOf(refused, 'bytes')]).toEqual([0, 80]);
  expect(refused.headers['retry-after']).toBe(String(secondsOf(refused)));
  expect(refused.headers['ratelimit-policy']).toBe(first.headers['ratelimit-policy']);
  expect((await call('contoso/decrypt', { ciphertext })).body).toMatchObject({ code: 'quota-exceeded' });
  const stream = await service
    .request()
    .post('/tenants/contoso/streams/encrypt')
    .set('Authorization', `Bearer ${await bearer()}`)
    .set('Content-Type', 'application/octet-stream')
    .send(Buffer.from('hello'));
  expect(stream).toMatchObject({ status: 429 });

  // Calls that are not on data, and other tenants, go on.
  const read = await service
    .request()
    .get('/tenants/contoso')
    .set('Authorization', `Bearer ${await bearer()}`);
  expect(read.body).toMatchObject({ quota: { operations: 4, bytes: 100, periodSeconds: 3_600 } });
  expect(read.body.quotaUse).toEqual({
    isDefault: false,
    periodSeconds: 3_600,
    endsAt: expect.stringMatching(/:00:00\.000Z$/),
    limits: [
      { name: 'operations', limit: 4, left: 0 },
      { name: 'bytes', limit: 100, left: 80 },
    ],
  });
  expect(read.headers['ratelimit']).toBeUndefined();
  const other = await encrypt('fabrikam');
  expect(other).toMatchObject({ status: 200 });
  expect(other.headers['ratelimit-policy']).toBe('"operations";q=1000;w=86400');
  const untouched = await service
    .request()
    .get('/tenants/northwind')
    .set('Authorization', `Bearer ${await bearer()}`);
  expect(untouched.body.quotaUse).toMatchObject({
    isDefault: true,
    limits: [{ name: 'operations', limit: 1_000, left: 1_000 }],
  });

  service.clock.advance(Number(refused.headers['retry-after']));
  expect(await encrypt('contoso')).toMatchObject({ status: 200 });
});

test('a stream has the headers, and counts its bytes at its end', async () => {
  const send = async () =>
    service
      .request()
      .post('/tenants/fabrikam/streams/encrypt')
      .set('Authorization', `Bearer ${await bearer()}`)
      .set('Content-Type', 'application/octet-stream')
      .send(Buffer.from('hello'));
  const before = leftOf(await send()) ?? 0;
  const after = await send();
  expect(after.status).toBe(200);
  expect(leftOf(after)).toBe(before - 1);
});

test('a quota has bounds, and says what', async () => {
  const { body } = await service
    .request()
    .get('/tenants/fabrikam')
    .set('Authorization', `Bearer ${await bearer()}`);
  const patch = async (quota: unknown) => {
    const request = service.request().patch('/tenants/fabrikam').set('If-Match', `"${body.revision}"`);
    return request
      .set('Authorization', `Bearer ${await bearer()}`)
      .set('Content-Type', 'application/merge-patch+json')
      .send(JSON.stringify({ quota }));
  };
  for (const [quota, pointer] of [
    [{ periodSeconds: 60 }, '/quota'],
    [{ operations: 1 }, '/quota/periodSeconds'],
    [{ operations: 0, periodSeconds: 60 }, '/quota/operations'],
    [{ bytes: 10 ** 15, periodSeconds: 60 }, '/quota/bytes'],
    [{ bytes: 1, periodSeconds: 59 }, '/quota/periodSeconds'],
    [{ requests: 1, bytes: 1, periodSeconds: 60 }, '/quota/requests'],
  ] as const) {
    const refused = await patch(quota);
    expect(refused.body).toMatchObject({ status: 400, errors: [{ pointer }] });
  }
  expect(await patch({ bytes: 1, periodSeconds: 60 })).toMatchObject({ status: 200 });
});
