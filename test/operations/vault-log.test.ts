import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AuditEventRow } from '../../src/emulator/vault/audit-log.ts';
import { startService, type TestService } from '../support/start-service.ts';

/**
 * The join of docs/compare-with-key-vault.md: the service's records with the log of the customer's
 * own vault.
 */
let service: TestService;
beforeAll(async () => {
  service = await startService();
});
beforeEach(() => service.emulator.control.clearFaults());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const plaintext = Buffer.from('an invoice').toString('base64');
const post = (path: string, body: unknown) => service.post(`/tenants/contoso/${path}`, body);

interface Call {
  readonly vaultRequestId?: string;
  readonly vaultClientRequestId?: string;
  readonly keyId?: string;
}

/** Returns the vault calls that records name, by the vault's id; a batch names several. */
function callsIn(records: readonly Record<string, unknown>[]): ReadonlyMap<string, Call> {
  const calls = records.flatMap((record): Call[] => [record, ...((record['keys'] as Call[] | undefined) ?? [])]);
  return new Map(calls.flatMap((call) => (call.vaultRequestId === undefined ? [] : [[call.vaultRequestId, call]])));
}

const recordsOf = async (tenantId: string) =>
  (await service.auditRecords()).filter((record) => record['tenantId'] === tenantId);
const rowsOf = (vault: string): readonly AuditEventRow[] =>
  service.emulator.control
    .auditEvents()
    .filter(({ Resource, Identity }) => Resource === vault && Identity.claim.appid === service.emulator.appId);

test("every record of a use names its row in the vault's log, and every use in the log has its record", async () => {
  const sealed = await post('encrypt', { plaintext });
  await post('decrypt', { ciphertext: sealed.body.ciphertext });
  await post('batch/encrypt', { items: [{ plaintext }, { plaintext }] });
  await post('data-keys', {});
  const wrapped = await post('wrap', { value: plaintext, key: 'wrap' });
  await post('unwrap', wrapped.body);
  await service.emulator.control.disableKey({ vault: 'contoso', key: 'wrap' });
  expect((await post('unwrap', wrapped.body)).body.reason).toBe('key-disabled');
  service.clock.advance(301); // past the bound: access is proven again
  await post('batch/decrypt', { items: [{ ciphertext: sealed.body.ciphertext }, { ciphertext: 'x' }] });

  const rows = new Map(rowsOf('contoso').map((row) => [row.CorrelationId, row]));
  const records = await recordsOf('contoso');
  const calls = callsIn(records);
  for (const [id, { keyId, vaultClientRequestId }] of calls) {
    expect(rows.get(id)).toBeDefined();
    expect(rows.has(vaultClientRequestId ?? '')).toBe(false);
    if (keyId !== undefined) expect(rows.get(id)?.Id).toBe(keyId);
  }
  expect(records.filter((record) => callsIn([record]).size !== 1)).toEqual([]);

  const unexplained = rowsOf('contoso').filter(({ CorrelationId }) => !calls.has(CorrelationId));
  // A new data key is wrapped, and the records name the unwrap that proved it; reads of the key
  // prove nothing.
  expect(unexplained.map(({ OperationName }) => OperationName).toSorted()).toEqual(['KeyGet', 'KeyGet', 'KeyWrap']);
});

describe('a refusal', () => {
  test('names the call that the vault refused, by the vault’s id and by ours', async () => {
    const { body } = await service.post('/tenants/northwind/encrypt', { plaintext });
    expect(body).toMatchObject({ code: 'access-revoked', reason: 'role-missing' });
    expect(JSON.stringify(body)).not.toContain('vaultRequestId');
    const record = (await recordsOf('northwind')).at(-1);
    const row = rowsOf('northwind').find(({ CorrelationId }) => CorrelationId === record?.['vaultRequestId']);
    expect(row).toMatchObject({ OperationName: 'KeyGet', HttpStatusCode: 403 });
    const request = service.emulator.control.requests().find(({ requestId }) => requestId === row?.CorrelationId);
    expect(record?.['vaultClientRequestId']).toBe(request?.clientRequestId);
    expect(record?.['vaultClientRequestId']).toMatch(GUID);
  });

  test('of a batch names it too', async () => {
    service.clock.advance(61);
    await service.post('/tenants/northwind/batch/encrypt', { items: [{ plaintext }, { plaintext }] });
    const record = (await recordsOf('northwind')).at(-1);
    const row = rowsOf('northwind').find(({ CorrelationId }) => CorrelationId === record?.['vaultRequestId']);
    expect(record).toMatchObject({ operation: 'batch-encrypt', items: { 'access-revoked': 2 } });
    expect(row).toMatchObject({ OperationName: 'KeyGet', HttpStatusCode: 403 });
  });

  test('without an answer has only our id', async () => {
    await service.emulator.control.injectFault({ at: 'fabrikam', kind: 'reset' });
    await service.post('/tenants/fabrikam/encrypt', { plaintext });
    const record = (await recordsOf('fabrikam')).at(-1);
    expect(record).toMatchObject({ code: 'vault-unavailable', vaultClientRequestId: expect.stringMatching(GUID) });
    expect(record).not.toHaveProperty('vaultRequestId');
  });
});
