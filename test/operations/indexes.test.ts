import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { branchKeysIn, startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const EMAIL = base64('ann@example.org');
const INDEXES = { email: {}, name: { bits: 64, normalize: 'nfc' } };

let service: TestService;
beforeAll(async () => {
  service = await startService({ compact: 'enabled', tenant: (record) => ({ ...record, indexes: INDEXES }) });
  for (const tenantId of ['contoso', 'fabrikam']) await make(tenantId);
});
afterAll(async () => service[Symbol.asyncDispose]());

type Callee = Pick<SecondProcess, 'post'>;
interface Versions<T extends string> {
  readonly write: { readonly version: number } & { readonly [M in T]: readonly string[] };
  readonly search: readonly ({ readonly version: number } & { readonly [M in T]: readonly string[] })[];
}

const path = (rest: string, { tenantId = 'contoso', name = 'email' } = {}) =>
  `/tenants/${tenantId}/indexes/${name}/${rest}`;

/** Makes the first keys of a tenant's indexes, as its next check does. */
async function make(tenantId: string): Promise<void> {
  await service.post(`/tenants/${tenantId}/check`, undefined).expect(200, /"state":"passed"/);
  await until(async () => (await service.post(path('tokens', { tenantId }), { values: [EMAIL] })).status === 200);
}

async function tokens(callee: Callee = service, at?: Parameters<typeof path>[1]): Promise<Versions<'tokens'>> {
  const roles = ['Data.Index'];
  const { body, status } = await callee.post(path('tokens', at), { values: [EMAIL] }, await token(...roles));
  expect({ status, body }).toMatchObject({ status: 200 });
  return body as Versions<'tokens'>;
}

const token = (...roles: string[]) => service.emulator.issueCallerToken({ roles });

describe('tokens over HTTP', () => {
  test('are for the role Data.Index alone', async () => {
    const { write, search } = await tokens();
    expect(search).toEqual([write]);
    const others = await token('Data.Encrypt', 'Data.Decrypt', 'Tenants.Manage', 'Tenants.Read');
    await service.post(path('tokens'), { values: [EMAIL] }, others).expect(403, /"reason":"Data.Index"/);
    const mine = await token('Data.Index');
    for (const rest of ['deterministic/encrypt', 'deterministic/decrypt', 'rotate']) {
      await service.post(path(rest), rest === 'rotate' ? undefined : { values: [EMAIL] }, mine).expect(403);
    }
    await service.post(path('retire'), { version: 1 }, mine).expect(403);
  });

  test('of another tenant or index differ', async () => {
    const all = await Promise.all([
      tokens(),
      tokens(service, { tenantId: 'fabrikam' }),
      tokens(service, { name: 'name' }),
    ]);
    expect(new Set(all.map(({ write }) => write.tokens[0])).size).toBe(3);
  });

  test('are in the order of up to 1,000 values, and not more', async () => {
    const values = Array.from({ length: 1_000 }, (_, at) => base64(`value ${at}`));
    const { body } = await service.post(path('tokens'), { values }).expect(200);
    expect(new Set((body as Versions<'tokens'>).write.tokens).size).toBe(1_000);
    const [, second] = (body as Versions<'tokens'>).write.tokens;
    const { body: one } = await service.post(path('tokens'), { values: [values[1]] }).expect(200);
    expect((one as Versions<'tokens'>).write.tokens).toEqual([second]);
    await service.post(path('tokens'), { values: [...values, EMAIL] }).expect(400, /at most 1000 items/);
    await service.post(path('tokens'), { values: [] }).expect(400, /at least 1 items/);
  });

  test.each([
    ['whitespace', 'YW 5u'],
    ['both alphabets', '-_+/'],
    ['a wrong length', 'YW5uA'],
    ['spare bits', 'YW5=YW5='],
    ['a number', 7],
    ['null', null],
  ])('of a value with %s are refused at its place', async (_what, value) => {
    const { body } = await service.post(path('tokens'), { values: [EMAIL, value] }).expect(400);
    expect(body).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/values/1' }] });
  });

  test.each([
    ['url-safe without padding', '-_8'],
    ['standard with padding', '+/8='],
  ])('accept base64 that is %s', async (_what, value) => {
    const { body } = await service.post(path('tokens'), { values: [value] }).expect(200);
    const { body: same } = await service.post(path('tokens'), { values: ['+/8='] }).expect(200);
    expect(body).toEqual(same);
  });

  test('of a value longer than 64 KiB are refused', async () => {
    await service.post(path('tokens'), { values: [Buffer.alloc(65_536).toString('base64')] }).expect(200);
    await service.post(path('tokens'), { values: [Buffer.alloc(65_539).toString('base64')] }).expect(400);
  });

  test('need a name of an index', async () => {
    const name = 'a'.repeat(64);
    await service.post(path('tokens', { name }), { values: [EMAIL] }).expect(404, /"code":"index-not-found"/);
    for (const wrong of [`${name}a`, 'e.mail', 'e%20mail', '%C3%A9', 'email%0A']) {
      await service.post(path('tokens', { name: wrong }), { values: [EMAIL] }).expect(400, /\/path\/name/);
    }
    await service.post(path('tokens', { tenantId: 'unknown' }), { values: [EMAIL] }).expect(404, /"tenant-not-found"/);
  });

  test('are recorded with the index, and never with the value', async () => {
    await tokens();
    const records = await service.auditRecords();
    const record = records.findLast(
      ({ operation, outcome }) => operation === 'index-tokens' && outcome === 'succeeded',
    );
    expect(record).toMatchObject({ index: 'email', tenantId: 'contoso', items: { succeeded: 1 } });
    const text = JSON.stringify(records) + service.logLines.join('');
    for (const secret of ['ann@example.org', EMAIL, (await tokens()).write.tokens[0]])
      expect(text).not.toContain(secret);
  });
});

describe('the record', () => {
  test.each([
    [{ bits: 24 }, '/indexes/phone/bits'],
    [{ bits: 264 }, '/indexes/phone/bits'],
    [{ bits: 129 }, '/indexes/phone/bits'],
    [{ normalize: 'nfkc' }, '/indexes/phone/normalize'],
    [{ key: 'data' }, '/indexes/phone/key'],
  ])('refuses the index %j', async (index, pointer) => {
    const { body } = await patch({ indexes: { phone: index } });
    expect(body).toMatchObject({ code: 'malformed-request', errors: [{ pointer }] });
  });

  test('makes the key of an index that it gains, and keeps the key of one that it loses', async () => {
    await patch({ indexes: { phone: { bits: 32 } } });
    await until(
      async () => (await service.post(path('tokens', { name: 'phone' }), { values: [EMAIL] })).status === 200,
    );
    const before = await tokens(service, { name: 'phone' });
    expect(before.write.tokens[0]).toHaveLength(6);
    await patch({ indexes: { phone: null } });
    await service.post(path('tokens', { name: 'phone' }), { values: [EMAIL] }).expect(404);
    await patch({ indexes: { phone: {} } });
    await until(
      async () => (await service.post(path('tokens', { name: 'phone' }), { values: [EMAIL] })).status === 200,
    );
    expect(await tokens(service, { name: 'phone' })).toEqual(before);
  });

  async function patch(change: object) {
    const get = await service.request().get('/tenants/contoso').set('Authorization', `Bearer ${service.token()}`);
    return service
      .request()
      .patch('/tenants/contoso')
      .set('Authorization', `Bearer ${service.token()}`)
      .set('If-Match', String(get.headers['etag']))
      .set('Content-Type', 'application/merge-patch+json')
      .send(JSON.stringify(change));
  }
});

describe('deterministic values over HTTP', () => {
  const encryptionContext = { table: 'customers' };
  const seal = async (values: readonly string[], at?: Parameters<typeof path>[1]) => {
    const call = service.post(path('deterministic/encrypt', at), { values, encryptionContext });
    return (await call.expect(200)).body as Versions<'values'>;
  };
  const open = (values: readonly unknown[], at?: Parameters<typeof path>[1], context: object = encryptionContext) =>
    service.post(path('deterministic/decrypt', at), { values, encryptionContext: context });

  test('open to what was encrypted, all or nothing', async () => {
    const values = [EMAIL, base64('bob'), ''];
    const { write, search } = await seal(values);
    expect(search).toEqual([write]);
    expect((await seal(values)).write).toEqual(write);
    await open(write.values).expect(200, { values });
    const [first, second] = write.values;
    const { body } = await open([first, `${second?.slice(0, -2)}AA`]).expect(422);
    expect(body).toMatchObject({ code: 'undecryptable', errors: [{ pointer: '/values/1' }] });
    await open([first, 'AQ']).expect(400, /"pointer":"\/values\/1"/);
    await open([first, 7]).expect(400, /"pointer":"\/values\/1"/);
  });

  test('do not open under another context, index or tenant', async () => {
    const { write } = await seal([EMAIL]);
    await open(write.values, undefined, {}).expect(422, /"code":"undecryptable"/);
    await open(write.values, { name: 'name' }).expect(422, /"code":"undecryptable"/);
    await open(write.values, { tenantId: 'fabrikam' }).expect(422, /"code":"undecryptable"/);
  });
});

describe('a rotation over HTTP', () => {
  test('is known to another process at once, which writes the new version as soon as this one does', async () => {
    await using other = await startSecondProcess(service, {
      registry: {},
      branchKeys: branchKeysIn(service.folder),
      database: { file: join(service.folder, 'vaultspan.db') },
      audit: { directory: join(service.folder, 'audit-2') },
    });
    const before = await tokens(other);
    expect(before).toEqual(await tokens());
    const { body } = await service.post(path('rotate'), undefined).expect(200);
    expect(body).toMatchObject({ name: 'email', versions: [{ version: 1 }, { version: 2, bits: 128 }] });
    await until(async () => (await tokens(other)).search.length === 2);
    const [here, there] = [await tokens(), await tokens(other)];
    expect(there).toEqual(here);
    expect(here.search[0]).toEqual(before.write);
  });

  test('is shown, and a retired version is gone', async () => {
    const get = () =>
      service.request().get(path('').slice(0, -1)).set('Authorization', `Bearer ${service.token()}`).expect(200);
    expect((await get()).body).toMatchObject({ versions: [{ state: 'searched' }, { state: 'written' }] });
    await service.post(path('retire'), { version: 2 }).expect(409, /"reason":"written"/);
    await service.post(path('retire'), { version: 0 }).expect(400);
    await service.post(path('retire'), { version: 1 }).expect(200, /"state":"retired"/);
    expect((await tokens()).search.map(({ version }) => version)).toEqual([2]);
    const operations = (await service.auditRecords()).map(({ operation }) => operation);
    expect(operations).toEqual(
      expect.arrayContaining(['index-created', 'index-rotate', 'index-retired', 'index-retire']),
    );
  });
});

test('tokens end with the access of the service, and return with it', async () => {
  await service.emulator.control.disableKey({ vault: 'contoso', key: 'data' });
  service.clock.advance(301);
  await service.post(path('tokens'), { values: [EMAIL] }).expect(403, /"code":"access-revoked"/);
  await service.emulator.control.enableKey({ vault: 'contoso', key: 'data' });
  service.clock.advance(61);
  await tokens();
});

test('tokens end with a suspension', async () => {
  await service.post('/tenants/fabrikam/suspend', undefined).expect(200);
  await service.post(path('tokens', { tenantId: 'fabrikam' }), { values: [EMAIL] }).expect(403, /"tenant-suspended"/);
});
