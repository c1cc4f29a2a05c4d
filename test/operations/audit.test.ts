import { hash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
let principal: string;
beforeAll(async () => {
  service = await startService({
    tenant: (record) => (record['id'] === 'adatum' ? { ...record, state: 'suspended' } : record),
  });
  principal = `${service.emulator.callerIssuer}#${service.emulator.callers[0]?.clientId}`;
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');

/** Posts and returns the answer together with its one record. */
async function audited(operation: string, body: object, tenant = 'contoso') {
  const response = await service.post(`/tenants/${tenant}/${operation}`, body).set('X-Request-Id', 'their-own.id_1');
  const requestId = response.headers['x-request-id'];
  const records = (await service.auditRecords()).filter((record) => record['requestId'] === requestId);
  expect(records).toHaveLength(1);
  return { response, record: records[0] ?? {} };
}

/** Returns the ids of this operation's calls in the customer's own log. */
const idsInVaultLog = (vault: string, operation: string) =>
  service.emulator.control
    .auditEvents()
    .filter(({ Resource, OperationName }) => Resource === vault && OperationName === operation)
    .map(({ CorrelationId }) => CorrelationId);

describe('an operation leaves one record', () => {
  test('encrypt and decrypt: the caller, the operation, the key, and the vault call that proved access', async () => {
    const encrypted = await audited('encrypt', { plaintext, encryptionContext: { id: '4711' } });
    const { keyId, ciphertext } = encrypted.response.body;
    const common = {
      outcome: 'succeeded',
      principal,
      tenantId: 'contoso',
      keyId,
      bytes: 10,
      clientRequestId: 'their-own.id_1',
    };
    expect(encrypted.record).toMatchObject({ ...common, operation: 'encrypt' });
    const decrypted = await audited('decrypt', { ciphertext, encryptionContext: { id: '4711' } });
    expect(decrypted.record).toMatchObject({ ...common, operation: 'decrypt' });
    const proofs = idsInVaultLog('contoso', 'KeyUnwrap');
    expect(proofs).toContain(encrypted.record['vaultRequestId']);
    expect(decrypted.record['vaultRequestId']).toBe(encrypted.record['vaultRequestId']);
    expect(encrypted.record).not.toHaveProperty('code');
  });

  test('wrap and unwrap: each with its own vault call', async () => {
    const wrapped = await audited('wrap', { value: plaintext, key: 'wrap' });
    const { keyId } = wrapped.response.body;
    const common = { outcome: 'succeeded', principal, tenantId: 'contoso', keyId, bytes: 10 };
    expect(wrapped.record).toMatchObject({ ...common, operation: 'wrap' });
    expect(idsInVaultLog('contoso', 'KeyWrap')).toContain(wrapped.record['vaultRequestId']);
    const unwrapped = await audited('unwrap', wrapped.response.body);
    expect(unwrapped.record).toMatchObject({ ...common, operation: 'unwrap' });
    expect(idsInVaultLog('contoso', 'KeyUnwrap')).toContain(unwrapped.record['vaultRequestId']);
  });

  test('and none has a client request id of an invalid form', async () => {
    const response = await service.post('/tenants/contoso/encrypt', { plaintext }).set('X-Request-Id', 'a b<script>');
    const records = await service.auditRecords();
    const record = records.find(({ requestId }) => requestId === response.headers['x-request-id']);
    expect(record).toMatchObject({ operation: 'encrypt' });
    expect(record).not.toHaveProperty('clientRequestId');
  });
});

describe('a refusal leaves one record', () => {
  const ciphertext = 'x';
  test.each<[string, object, string, Readonly<Record<string, unknown>>]>([
    ['encrypt', { plaintext: 1 }, 'contoso', { code: 'malformed-request', outcome: 'refused' }],
    ['encrypt', { plaintext, key: 'nope' }, 'contoso', { code: 'unknown-key-alias', outcome: 'refused' }],
    ['encrypt', { plaintext }, 'nobody', { code: 'tenant-not-found', outcome: 'refused' }],
    ['encrypt', { plaintext }, 'adatum', { code: 'tenant-suspended', outcome: 'refused' }],
    ['encrypt', { plaintext }, 'northwind', { code: 'access-revoked', reason: 'role-missing', outcome: 'refused' }],
    ['decrypt', { ciphertext }, 'contoso', { code: 'malformed-ciphertext', outcome: 'refused' }],
    ['wrap', { value: plaintext, key: 'data' }, 'contoso', { code: 'key-use', outcome: 'refused' }],
    [
      'unwrap',
      { wrappedKey: 'AA==', keyId: 'x', algorithm: 'RSA-OAEP' },
      'contoso',
      { code: 'malformed-request', outcome: 'refused' },
    ],
  ])('of %s with %j at %s, under the operation’s own name', async (operation, body, tenant, expected) => {
    const { response, record } = await audited(operation, body, tenant);
    expect(response.body.code).toBe(expected['code']);
    expect(record).toMatchObject({
      ...expected,
      operation,
      principal,
      tenantId: tenant,
      clientRequestId: 'their-own.id_1',
    });
    expect(record).not.toHaveProperty('keyId');
  });

  test("of the vault names the call that it refused, as in the customer's log", async () => {
    const { record } = await audited('encrypt', { plaintext }, 'northwind');
    expect(idsInVaultLog('northwind', 'KeyGet')).toContain(record['vaultRequestId']);
  });

  test('for an outage of a vault, as failed', async () => {
    await service.emulator.control.injectFault({ at: 'fabrikam', kind: 'status', status: 429 });
    const throttled = await audited('encrypt', { plaintext }, 'fabrikam');
    expect(throttled.record).toMatchObject({ outcome: 'failed', code: 'vault-throttled', tenantId: 'fabrikam' });
    await service.emulator.control.clearFaults();
    service.clock.advance(60); // until the vault is called again
    await service.emulator.control.injectFault({ at: 'fabrikam', kind: 'status', status: 503 });
    const unavailable = await audited('encrypt', { plaintext }, 'fabrikam');
    expect(unavailable.record).toMatchObject({ outcome: 'failed', code: 'vault-unavailable', tenantId: 'fabrikam' });
    await service.emulator.control.clearFaults();
  });
});

describe('an encryption context', () => {
  const digestOf = async (encryptionContext?: object) =>
    (await audited('encrypt', { plaintext, encryptionContext })).record['context'];

  test('leaves a keyed digest, equal for equal contexts in any order and in decrypt too', async () => {
    const first = await audited('encrypt', { plaintext, encryptionContext: { a: '1', b: '2' } });
    expect(first.record['context']).toMatch(/^t\.[\w-]{43}$/);
    expect(first.record['context']).not.toBe(hash('sha256', '{"a":"1","b":"2"}', 'base64url'));
    expect(await digestOf({ b: '2', a: '1' })).toBe(first.record['context']);
    const { ciphertext } = first.response.body;
    const decrypted = await audited('decrypt', { ciphertext, encryptionContext: { b: '2', a: '1' } });
    expect(decrypted.record['context']).toBe(first.record['context']);
  });

  test('leaves digests that do not match between tenants', async () => {
    const encryptionContext = { a: '1', b: '2' };
    const other = await audited('encrypt', { plaintext, encryptionContext }, 'fabrikam');
    expect(other.record['context']).toMatch(/^t\./);
    expect(other.record['context']).not.toBe(await digestOf(encryptionContext));
  });

  test('leaves another digest for other members, and none when empty', async () => {
    const contexts = [{ a: '1', b: '2' }, { a: '1' }, { a: '2', b: '1' }, { a: '12' }, { a1: '2' }];
    const digests = await Promise.all(contexts.map(digestOf));
    expect(new Set(digests).size).toBe(contexts.length);
    expect(await digestOf({})).toBeUndefined();
    expect(await digestOf()).toBeUndefined();
  });
});

describe('after all operations', () => {
  test('refusals of strangers are one record per reason, and the chain verifies until it is changed', async () => {
    for (let time = 0; time < 3; time += 1) await service.post('/tenants/contoso/encrypt', { plaintext }, '');
    for (let time = 0; time < 2; time += 1) await service.post('/tenants/contoso/decrypt', {}, 'nonsense');
    const expired = await service.emulator.issueCallerToken({ expiresInSeconds: -60 });
    await service.post('/tenants/contoso/decrypt', {}, expired);
    await service.stop();
    const records = await service.auditRecords();
    const strangers = records.filter(({ code }) => code === 'unauthenticated');
    const counts = strangers.map(({ reason, count, outcome }) => [reason, count ?? 1, outcome]);
    expect(counts.sort()).toEqual([
      ['expired', 1, 'refused'],
      ['missing', 3, 'refused'],
      ['signature', 2, 'refused'],
    ]);
    for (const record of strangers) {
      expect(record).not.toHaveProperty('principal');
      expect(record).not.toHaveProperty('tenantId');
    }
    const directory = join(service.folder, 'audit');
    const [chain, ...others] = await verifyDirectories([directory]);
    expect(others).toEqual([]);
    expect(chain).toMatchObject({ closed: true, records: records.length + 2 });
    expect(chain).not.toHaveProperty('firstBad');
    const [name = ''] = await readdir(directory);
    const text = await readFile(join(directory, name), 'utf8');
    await writeFile(join(directory, name), text.replace('"tenantId":"northwind"', '"tenantId":"contoso"'));
    expect((await verifyDirectories([directory]))[0]).toHaveProperty('firstBad');
  });
});
