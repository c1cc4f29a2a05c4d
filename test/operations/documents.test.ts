import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addCustomers, changeTenant } from '../support/customers.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addCustomers(service, ['strict']);
  await changeTenant(service, 'strict', (tenant) => ({ ...tenant, requiredContext: ['table'] }));
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});
beforeEach(() => service.emulator.control.clearRequests());

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const call = (path: string, body: object, tenant = 'contoso') => service.post(`/tenants/${tenant}/${path}`, body);
const record = { email: base64('ann@example.org'), name: base64('Ann'), empty: '' };
const context = { encryptionContext: { table: 'customers', id: '4711' } };
const sealed = async (fields: object = record, more: object = context): Promise<Record<string, string>> => {
  const { status, body } = await call('documents/encrypt', { fields, ...more });
  expect(status).toBe(200);
  return body.fields;
};

describe('a document', () => {
  test('comes back whole, or any of its fields', async () => {
    const fields = await sealed();
    expect(Object.keys(fields)).toEqual(Object.keys(record));
    expect(await call('documents/decrypt', { fields, ...context })).toMatchObject({
      status: 200,
      body: { fields: record },
    });
    const some = await call('documents/decrypt', { fields: { name: fields['name'] }, ...context });
    expect(some.body).toEqual({ fields: { name: record.name } });
  });

  test('names the one key version of all its fields, and leaves one record with the context’s digest', async () => {
    const { body } = await call('documents/encrypt', { fields: record, ...context });
    const [last] = (await service.auditRecords()).slice(-1);
    expect(last).toMatchObject({
      operation: 'encrypt-document',
      outcome: 'succeeded',
      tenantId: 'contoso',
      items: { succeeded: 3 },
      keys: [{ keyId: body.keyId, count: 3 }],
      bytes: 'ann@example.org'.length + 'Ann'.length,
      context: expect.stringMatching(/^t\./),
    });
  });

  test('does not open with fields swapped, renamed, under another context or as messages', async () => {
    const { email = '', name = '' } = await sealed();
    for (const fields of [{ email: name, name: email }, { mail: email }]) {
      const { status, body } = await call('documents/decrypt', { fields, ...context });
      expect([status, body.code]).toEqual([422, 'context-mismatch']);
      expect(body.errors).toEqual([{ pointer: `/fields/${Object.keys(fields)[0]}`, detail: expect.any(String) }]);
    }
    expect((await call('documents/decrypt', { fields: { email } })).body.code).toBe('context-mismatch');
    expect((await call('decrypt', { ciphertext: email, ...context })).body.code).toBe('context-mismatch');
    const forged = { ...context.encryptionContext, 'vaultspan:field': 'email' };
    expect((await call('decrypt', { ciphertext: email, encryptionContext: forged })).status).toBe(400);
  });

  test('is all or nothing: one altered field fails the whole and is named', async () => {
    const fields = await sealed();
    const altered = { ...fields, name: `${String(fields['name']).slice(0, -4)}AAAA` };
    const { status, body } = await call('documents/decrypt', { fields: altered, ...context });
    expect([status, body.code]).toEqual([422, 'undecryptable']);
    expect(body.errors).toEqual([{ pointer: '/fields/name', detail: expect.any(String) }]);
    expect(JSON.stringify(body)).not.toContain(record.email);
  });

  test('moves to another key or tenant with its names and context', async () => {
    const fields = await sealed();
    const moved = await call('documents/rewrap', { fields, ...context, to: { tenantId: 'strict' } });
    expect(moved.status).toBe(200);
    const there = await call('documents/decrypt', { fields: moved.body.fields, ...context }, 'strict');
    expect(there.body.fields).toEqual(record);
    const nowhere = await call('documents/rewrap', { fields, ...context, to: { tenantId: 'nobody' } });
    expect(nowhere).toMatchObject({ status: 404, body: { errors: [{ pointer: '/to/tenantId' }] } });
    const lacking = await sealed(record, {});
    const refused = await call('documents/rewrap', { fields: lacking, to: { tenantId: 'strict' } });
    expect([refused.status, refused.body.code]).toEqual([400, 'malformed-request']);
  });

  test('must have the context that the tenant requires, in the caller’s part', async () => {
    const refused = await call('documents/encrypt', { fields: record }, 'strict');
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ pointer: '/encryptionContext' }] } });
    expect((await call('documents/encrypt', { fields: record, ...context }, 'strict')).status).toBe(200);
  });

  test('needs the role of its operation', async () => {
    const token = await service.emulator.issueCallerToken({ roles: ['Data.Decrypt'] });
    const refused = await service.post('/tenants/contoso/documents/encrypt', { fields: record }, token);
    expect(refused).toMatchObject({ status: 403, body: { code: 'grant-missing' } });
  });
});

const names = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, 'AA==']));

describe('the fields of a document', () => {
  test.each([
    ['none', {}, '/fields'],
    ['257 of them', names(257), '/fields'],
    ['an empty name', { '': 'AA==' }, '/fields'],
    ['a name of 129 characters', { ['n'.repeat(129)]: 'AA==' }, '/fields'],
    ['a name that is no Unicode', { '\ud800': 'AA==' }, '/fields'],
    ['a value that is no base64', { a: '!' }, '/fields/a'],
    ['a value that is no string', { a: 1 }, '/fields/a'],
    ['a name with a slash and a bad value', { 'a/b~c': '!' }, '/fields/a~1b~0c'],
  ])('with %s are refused', async (_what, fields, pointer) => {
    const { status, body } = await call('documents/encrypt', { fields });
    expect([status, body.code]).toEqual([400, 'malformed-request']);
    expect(body.errors[0].pointer).toBe(pointer);
  });

  test('of the name __proto__ are refused, and those that every object has are not', async () => {
    const proto = await service.post('/tenants/contoso/documents/encrypt', '{"fields":{"__proto__":"AA=="}}');
    expect(proto.status).toBe(400);
    const fields = { constructor: 'AA==', toString: 'AQ==', 'naïve €': 'Ag==' };
    const ciphertexts = await sealed(fields, {});
    expect((await call('documents/decrypt', { fields: ciphertexts })).body.fields).toEqual(fields);
  });

  test('may be 256, with a context as large as a message’s', async () => {
    const fields = names(256);
    const encryptionContext = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`m${at}`, 'x'.repeat(40)]));
    const ciphertexts = await sealed(fields, { encryptionContext });
    const { status, body } = await call('documents/decrypt', { fields: ciphertexts, encryptionContext });
    expect([status, body.fields]).toEqual([200, fields]);
  });

  test('have together at most the bytes of one message', async () => {
    const half = Buffer.alloc(600_000).toString('base64');
    const { status, body } = await call('documents/encrypt', { fields: { a: half, b: half } });
    expect([status, body.code]).toEqual([413, 'body-too-large']);
  });
});

describe('a batch of documents', () => {
  test('has each its result or its error, in order, with pointers into the batch', async () => {
    const { body } = await call('batch/documents/encrypt', {
      items: [{ fields: record, ...context }, { fields: { a: '!' } }, { fields: { a: 'AA==' } }],
    });
    expect(body.items[1]).toEqual({ error: expect.objectContaining({ code: 'malformed-request' }) });
    expect(body.items[1].error.errors).toEqual([{ pointer: '/items/1/fields/a', detail: expect.any(String) }]);
    const plain = { fields: body.items[2].fields };
    const items = [{ fields: body.items[0].fields, ...context }, plain];
    const opened = await call('batch/documents/decrypt', {
      items: [...items, { ...plain, ...context }],
    });
    expect(opened.body.items.slice(0, 2)).toEqual([{ fields: record }, { fields: { a: 'AA==' } }]);
    expect(opened.body.items[2].error).toMatchObject({
      code: 'context-mismatch',
      errors: [{ pointer: '/items/2/fields/a' }],
    });
    const moved = await call('batch/documents/rewrap', { items });
    const again = await call('batch/documents/decrypt', {
      items: moved.body.items.map(({ fields }: { fields: object }, at: number) => ({ ...items[at], fields })),
    });
    expect(again.body.items).toEqual(opened.body.items.slice(0, 2));
  });

  test('leaves one record that counts documents, and fields by key version', async () => {
    await call('batch/documents/encrypt', { items: [{ fields: record }, { fields: { a: '!' } }] });
    const [last] = (await service.auditRecords()).slice(-1);
    expect(last).toMatchObject({
      operation: 'batch-encrypt-document',
      items: { succeeded: 1, 'malformed-request': 1 },
      keys: [{ count: 3 }],
    });
  });
});
