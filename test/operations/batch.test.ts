import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { changeTenant } from '../support/customers.ts';
import { withBitFlipped } from '../support/jwe-parts.ts';
import { startService, type TestService } from '../support/start-service.ts';

interface Item {
  readonly ciphertext?: string;
  readonly plaintext?: string;
  readonly keyId?: string;
  readonly error?: { readonly code: string; readonly status: number; readonly errors?: { readonly pointer: string }[] };
}

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const text = (value: string) => Buffer.from(value).toString('base64');
const post = (path: string, body: unknown, token?: string) => service.post(`/tenants/${path}`, body, token);
const batch = async (path: string, items: readonly unknown[]) => {
  const response = await post(path, { items });
  expect(response.status).toBe(200);
  return response.body.items as Item[];
};
const seal = async (tenant: string, body: object = {}) => {
  const response = await post(`${tenant}/encrypt`, { plaintext: text('one'), ...body });
  expect(response.status).toBe(200);
  return response.body as { readonly ciphertext: string; readonly keyId: string };
};
const lastRecord = async () => (await service.auditRecords()).at(-1);

describe('batch/encrypt and batch/decrypt', () => {
  test('give each item its result, in order, and one audit record for all', async () => {
    const items = Array.from({ length: 50 }, (_, at) => ({
      plaintext: text(`row ${at}`),
      encryptionContext: { row: `${at}` },
    }));
    const sealed = await batch('contoso/batch/encrypt', items);
    expect(new Set(sealed.map(({ ciphertext }) => ciphertext)).size).toBe(50);
    const opened = await batch(
      'contoso/batch/decrypt',
      sealed.map(({ ciphertext }, at) => ({ ciphertext, encryptionContext: { row: `${at}` } })),
    );
    expect(opened.map(({ plaintext }) => plaintext)).toEqual(items.map(({ plaintext }) => plaintext));
    const keyId = sealed[0]?.keyId;
    const [, ...rest] = (await service.auditRecords()).slice(-2);
    expect(rest).toMatchObject([
      {
        operation: 'batch-decrypt',
        outcome: 'succeeded',
        tenantId: 'contoso',
        bytes: items.reduce((sum, { plaintext }) => sum + Buffer.from(plaintext, 'base64').length, 0),
        items: { succeeded: 50 },
        keys: [{ keyId, count: 50, vaultRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/) }],
      },
    ]);
  });

  test('let each bad item fail alone, with the code of the single call and pointers into the batch', async () => {
    const { ciphertext } = await seal('contoso');
    const foreign = await seal('fabrikam');
    const bound = await seal('contoso', { encryptionContext: { a: '1' } });
    const items = [
      { ciphertext },
      { ciphertext: 'not a JWE' },
      { ciphertext: foreign.ciphertext },
      { ciphertext: bound.ciphertext, encryptionContext: { a: '2' } },
      { ciphertext: withBitFlipped(ciphertext, 3, 0) },
      { ciphertext: 5 },
      { ciphertext, extra: true },
      {},
      { ciphertext: bound.ciphertext, encryptionContext: { a: '1' } },
      JSON.parse(`{"ciphertext":"${ciphertext}","__proto__":{}}`) as object,
    ];
    const results = await batch('contoso/batch/decrypt', items);
    expect(results.map(({ error, plaintext }) => error?.code ?? plaintext)).toEqual([
      text('one'),
      'malformed-ciphertext',
      'wrong-tenant',
      'context-mismatch',
      'undecryptable',
      'malformed-request',
      'malformed-request',
      'malformed-request',
      text('one'),
      'malformed-request',
    ]);
    expect(results[5]?.error?.errors).toMatchObject([{ pointer: '/items/5/ciphertext' }]);
    expect(results[6]?.error?.errors).toMatchObject([{ pointer: '/items/6/extra' }]);
    expect(results[2]?.error).toMatchObject({ status: 422, type: 'urn:vaultspan:problem:wrong-tenant' });
    expect(await lastRecord()).toMatchObject({
      operation: 'batch-decrypt',
      items: { succeeded: 2, 'malformed-request': 4, undecryptable: 1, 'wrong-tenant': 1 },
    });
  });

  test('a batch in which no item succeeds is recorded as refused', async () => {
    await batch('contoso/batch/decrypt', [{ ciphertext: 'x' }]);
    expect(await lastRecord()).toMatchObject({ outcome: 'refused', items: { 'malformed-ciphertext': 1 }, keys: [] });
  });

  test('encrypt refuses each item that the single call refuses', async () => {
    const results = await batch('contoso/batch/encrypt', [
      { plaintext: text('fine') },
      { plaintext: 'no base64!' },
      { plaintext: text('x'), key: 'nobody' },
      { plaintext: text('x'), key: 'wrap' },
      { plaintext: text('x'), encryptionContext: { vaultspan: 'x' } },
    ]);
    expect(results.map(({ error }) => error?.code)).toEqual([
      undefined,
      'malformed-request',
      'unknown-key-alias',
      'key-use',
      'malformed-request',
    ]);
  });

  test('a thousand items are accepted, one more is not, and none is no error', async () => {
    const items = Array.from({ length: 1_000 }, () => ({ plaintext: '' }));
    expect(await batch('contoso/batch/encrypt', items)).toHaveLength(1_000);
    expect(await batch('contoso/batch/encrypt', [])).toEqual([]);
    const tooMany = await post('contoso/batch/encrypt', { items: [...items, { plaintext: '' }] });
    expect(tooMany.body).toMatchObject({ status: 400, code: 'malformed-request', errors: [{ pointer: '/items' }] });
  });

  test.each([
    ['items that are no array', { items: { 0: {} } }, '/items'],
    ['an item that is no object', { items: [{ plaintext: '' }, 'x'] }, '/items/1'],
    ['an item that is null', { items: [null] }, '/items/0'],
    ['no items', {}, '/items'],
    ['a further member', { items: [], key: 'data' }, '/key'],
  ])('%s is a failure of the whole batch', async (_what, body, pointer) => {
    const { body: problem } = await post('contoso/batch/encrypt', body);
    expect(problem).toMatchObject({ status: 400, code: 'malformed-request', errors: [{ pointer }] });
  });

  test('a failure of the whole batch is that of the single call', async () => {
    const reader = await service.emulator.issueCallerToken({ roles: ['Data.Decrypt'] });
    expect((await post('contoso/batch/encrypt', { items: [] }, reader)).body.code).toBe('grant-missing');
    expect((await post('contoso/batch/encrypt', { items: [] }, '')).status).toBe(401);
    expect((await post('nobody/batch/encrypt', { items: [] })).status).toBe(404);
    expect((await batch('northwind/batch/encrypt', [{ plaintext: '' }]))[0]?.error?.code).toBe('access-revoked');
  });
});

describe('a batch of the largest size', () => {
  const sizes = Array.from({ length: 1_000 }, () => 600);

  test('is encrypted, and its answer can be decrypted and rewrapped', async () => {
    const plaintexts = sizes.map((size, at) => Buffer.alloc(size, `${at}`).toString('base64'));
    const sealed = await batch(
      'contoso/batch/encrypt',
      plaintexts.map((plaintext) => ({ plaintext })),
    );
    const items = sealed.map(({ ciphertext }) => ({ ciphertext }));
    const opened = await batch('contoso/batch/decrypt', items);
    expect(opened.map(({ plaintext }) => plaintext)).toEqual(plaintexts);
    const moved = await batch('contoso/batch/rewrap', items);
    expect(moved.every(({ ciphertext }) => ciphertext !== undefined)).toBe(true);
  });

  test('has as much plaintext as one message may have, and not a byte more', async () => {
    const half = Buffer.alloc(524_288).toString('base64');
    const sealed = await batch('contoso/batch/encrypt', [{ plaintext: half }, { plaintext: half }]);
    expect(sealed.every(({ ciphertext }) => ciphertext !== undefined)).toBe(true);
    const { body } = await post('contoso/batch/encrypt', {
      items: [{ plaintext: half }, { plaintext: half }, { plaintext: 'AA==' }],
    });
    expect(body).toMatchObject({ status: 413, code: 'body-too-large', errors: [{ pointer: '/items' }] });
  });

  test('beyond 1,000 items is refused, whatever the items are', async () => {
    const { body } = await post('contoso/batch/encrypt', { items: Array.from({ length: 50_000 }, () => 1) });
    expect(body).toMatchObject({
      status: 400,
      errors: [{ pointer: '/items', detail: 'must have at most 1000 items' }],
    });
  });
});

describe('batch/decrypt of messages under many data keys', () => {
  test('makes one vault call for each of them', async () => {
    const ciphertexts: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      // A changed record starts with cold keys, so each round seals under a data key of its own.
      await changeTenant(service, 'fabrikam', (tenant) => ({ ...tenant, displayName: `round ${at}` }));
      ciphertexts.push((await seal('fabrikam')).ciphertext);
    }
    await changeTenant(service, 'fabrikam', (tenant) => ({ ...tenant, displayName: 'cold' }));
    service.emulator.control.clearRequests();
    const items = Array.from({ length: 60 }, (_, at) => ({ ciphertext: ciphertexts[at % 3] }));
    const results = await batch('fabrikam/batch/decrypt', items);
    expect(results.every(({ plaintext }) => plaintext === text('one'))).toBe(true);
    expect(service.vaultCalls('fabrikam').filter((call) => call === 'unwrapKey')).toHaveLength(3);
  });
});

describe('batch/rewrap', () => {
  test('moves each item to its target, and records it for both tenants', async () => {
    const sealed = await Promise.all([seal('fabrikam'), seal('fabrikam'), seal('fabrikam')]);
    const [first, second, third] = sealed.map(({ ciphertext }) => ciphertext);
    const results = await batch('fabrikam/batch/rewrap', [
      { ciphertext: first },
      { ciphertext: second, to: { tenantId: 'contoso' } },
      { ciphertext: third, to: { tenantId: 'nobody' } },
      { ciphertext: third, to: { key: 'archive' } },
      { ciphertext: 'x' },
    ]);
    expect(results.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      'tenant-not-found',
      undefined,
      'malformed-ciphertext',
    ]);
    const opened = await batch('contoso/batch/decrypt', [
      { ciphertext: results[1]?.ciphertext },
      { ciphertext: first },
    ]);
    expect(opened.map(({ error, plaintext }) => error?.code ?? plaintext)).toEqual([text('one'), 'wrong-tenant']);
    const [source, target] = (await service.auditRecords()).slice(-3);
    expect(source).toMatchObject({
      operation: 'batch-rewrap',
      tenantId: 'fabrikam',
      items: { succeeded: 3, 'tenant-not-found': 1, 'malformed-ciphertext': 1 },
    });
    expect(target).toMatchObject({ operation: 'batch-rewrap', tenantId: 'contoso', items: { succeeded: 1 } });
  });

  test('a caller that may not encrypt at the target gets that refusal for the item', async () => {
    const { ciphertext } = await seal('contoso');
    const reader = await service.emulator.issueCallerToken({ roles: ['Data.Decrypt'] });
    const { body } = await post('contoso/batch/rewrap', { items: [{ ciphertext }] }, reader);
    expect(body.items[0].error).toMatchObject({ code: 'grant-missing', reason: 'Data.Encrypt' });
  });
});
