import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addCustomers, changeTenant } from '../support/customers.ts';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const BOUND_SECONDS = 300;
const PROBE_SECONDS = 10;
/** One second before a renewal begins, and one second after. */
const BEFORE_RENEWAL_SECONDS = BOUND_SECONDS / 2 - 1;
const INTO_RENEWAL_SECONDS = BOUND_SECONDS / 2 + 1;

/** Keys are generated, which takes long on a busy machine. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addCustomers(service, ['disabling', 'renewing', 'riding', 'token', 'restoring', 'asking', 'sharing']);
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
type By = Pick<SecondProcess, 'post'>;
const encrypt = (tenant: string, more: object = {}, by: By = service) =>
  by.post(`/tenants/${tenant}/encrypt`, { plaintext, ...more });
const decrypt = (tenant: string, ciphertext: string, by: By = service) =>
  by.post(`/tenants/${tenant}/decrypt`, { ciphertext });
const statusOf = async (response: PromiseLike<{ readonly status: number }>): Promise<number> => (await response).status;

describe('a warm data key', () => {
  test('is used for the bound after the last proof of access and no longer, with one probe in 10 s', async () => {
    const { ciphertext } = (await encrypt('disabling')).body;
    await service.emulator.control.disableKey({ vault: 'disabling', key: 'data' });
    service.emulator.control.clearRequests();
    service.clock.advance(BEFORE_RENEWAL_SECONDS);
    expect(await statusOf(encrypt('disabling'))).toBe(200);
    expect(await statusOf(decrypt('disabling', ciphertext))).toBe(200);
    expect(service.vaultCalls('disabling')).toEqual([]);
    service.clock.advance(BOUND_SECONDS - BEFORE_RENEWAL_SECONDS);
    const refused = await decrypt('disabling', ciphertext);
    expect(refused.body).toMatchObject({ status: 403, code: 'access-revoked', reason: 'key-disabled' });
    expect(service.vaultCalls('disabling')).toEqual(['unwrapKey']);
    for (let time = 0; time < 3; time += 1) {
      expect((await encrypt('disabling')).body.reason).toBe('key-disabled');
      expect((await decrypt('disabling', ciphertext)).body.reason).toBe('key-disabled');
    }
    expect(service.vaultCalls('disabling').filter((call) => call === 'unwrapKey')).toHaveLength(1);
    service.clock.advance(PROBE_SECONDS);
    for (let time = 0; time < 3; time += 1) expect(await statusOf(decrypt('disabling', ciphertext))).toBe(403);
    expect(service.vaultCalls('disabling').filter((call) => call === 'unwrapKey')).toHaveLength(2);
  });

  test('is renewed early in the background, and a refusal found then applies at once', async () => {
    const { ciphertext } = (await encrypt('renewing')).body;
    service.clock.advance(INTO_RENEWAL_SECONDS);
    service.emulator.control.clearRequests();
    expect(await statusOf(decrypt('renewing', ciphertext))).toBe(200);
    await until(() => service.vaultCalls('renewing').includes('unwrapKey'), 'the proof is renewed');
    await service.emulator.control.removeRole({ vault: 'renewing' });
    service.clock.advance(INTO_RENEWAL_SECONDS);
    expect(await statusOf(decrypt('renewing', ciphertext))).toBe(200);
    await until(async () => (await statusOf(decrypt('renewing', ciphertext))) === 403, 'the refusal is found');
    expect((await encrypt('renewing')).body.reason).toBe('role-missing');
  });

  test('survives an outage of its vault until the bound', async () => {
    const { ciphertext } = (await encrypt('riding')).body;
    await service.emulator.control.injectFault({ at: 'riding', kind: 'status', status: 503 });
    for (const seconds of [INTO_RENEWAL_SECONDS, BOUND_SECONDS / 2 - 2]) {
      service.clock.advance(seconds);
      expect(await statusOf(encrypt('riding'))).toBe(200);
      expect(await statusOf(decrypt('riding', ciphertext))).toBe(200);
    }
    service.clock.advance(2);
    expect((await decrypt('riding', ciphertext)).body.code).toBe('vault-unavailable');
    expect((await encrypt('riding')).body.code).toBe('vault-unavailable');
    await service.emulator.control.clearFaults();
    expect(await statusOf(decrypt('riding', ciphertext))).toBe(200);
    expect(await statusOf(encrypt('riding'))).toBe(200);
  });

  test('expires with the bound when the app is disabled, although the cached token is valid for an hour', async () => {
    const { ciphertext } = (await encrypt('token')).body;
    await service.emulator.control.disableApp({ tenant: 'token' });
    service.clock.advance(BEFORE_RENEWAL_SECONDS);
    expect(await statusOf(decrypt('token', ciphertext))).toBe(200);
    service.clock.advance(BOUND_SECONDS - BEFORE_RENEWAL_SECONDS);
    expect((await decrypt('token', ciphertext)).body.reason).toBe('app-disabled');
    expect((await encrypt('token')).body.reason).toBe('app-disabled');
    await service.emulator.control.enableApp({ tenant: 'token' });
    service.clock.advance(PROBE_SECONDS);
    expect(await statusOf(decrypt('token', ciphertext))).toBe(200);
    expect(await statusOf(encrypt('token'))).toBe(200);
  });

  test('recovers by itself after the customer has restored access, for the same messages', async () => {
    const { ciphertext, keyId } = (await encrypt('restoring')).body;
    await service.emulator.control.deleteKey({ vault: 'restoring', key: 'data' });
    service.clock.advance(BOUND_SECONDS);
    expect((await encrypt('restoring')).body.reason).toBe('key-absent');
    expect((await decrypt('restoring', ciphertext)).body.reason).toBe('key-absent');
    await service.emulator.control.recoverKey({ vault: 'restoring', key: 'data' });
    service.clock.advance(PROBE_SECONDS);
    expect((await decrypt('restoring', ciphertext)).body.plaintext).toBe(plaintext);
    expect((await encrypt('restoring')).body.keyId).toBe(keyId);
  });
});

test("a refused key does not affect the tenant's other keys", async () => {
  const archived = (await encrypt('fabrikam', { key: 'archive' })).body.ciphertext;
  await encrypt('fabrikam');
  await service.emulator.control.disableKey({ vault: 'fabrikam', key: 'data' });
  service.clock.advance(BOUND_SECONDS);
  expect((await encrypt('fabrikam')).body.reason).toBe('key-disabled');
  expect(await statusOf(encrypt('fabrikam', { key: 'archive' }))).toBe(200);
  expect(await statusOf(decrypt('fabrikam', archived))).toBe(200);
});

test('a suspended tenant is refused as soon as its record is read, and served when it is resumed', async () => {
  const { ciphertext } = (await encrypt('contoso')).body;
  await changeTenant(service, 'contoso', (tenant) => ({ ...tenant, state: 'suspended' }));
  service.emulator.control.clearRequests();
  expect((await encrypt('contoso')).body.code).toBe('tenant-suspended');
  expect((await decrypt('contoso', ciphertext)).body.code).toBe('tenant-suspended');
  expect(service.vaultCalls('contoso')).toEqual([]);
  await changeTenant(service, 'contoso', (tenant) => ({ ...tenant, state: 'active' }));
  expect((await decrypt('contoso', ciphertext)).body.plaintext).toBe(plaintext);
});

describe('with a bound of 0', () => {
  let strict: SecondProcess;
  beforeAll(async () => {
    strict = await startSecondProcess(service, { revocation: { boundSeconds: 0 } });
  });
  afterAll(async () => {
    await strict[Symbol.asyncDispose]();
  });

  test('every request calls the vault, and the next one after a refusal is refused', async () => {
    const { ciphertext } = (await encrypt('asking', {}, strict)).body;
    service.emulator.control.clearRequests();
    for (let time = 0; time < 2; time += 1) {
      expect(await statusOf(encrypt('asking', {}, strict))).toBe(200);
      expect(await statusOf(decrypt('asking', ciphertext, strict))).toBe(200);
    }
    expect(service.vaultCalls('asking')).toEqual(['unwrapKey', 'unwrapKey', 'unwrapKey', 'unwrapKey']);
    await service.emulator.control.disableKey({ vault: 'asking', key: 'data' });
    expect(await statusOf(decrypt('asking', ciphertext, strict))).toBe(403);
    expect(await statusOf(encrypt('asking', {}, strict))).toBe(403);
  });

  test('requests that arrive during a vault call share its answer', async () => {
    await encrypt('sharing', {}, strict);
    service.emulator.control.clearRequests();
    await service.emulator.control.injectFault({ at: 'sharing', kind: 'delay', delayMs: 200 });
    const statuses = await Promise.all(Array.from({ length: 20 }, () => statusOf(encrypt('sharing', {}, strict))));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(service.vaultCalls('sharing').length).toBeLessThan(20);
    await service.emulator.control.clearFaults();
  });
});
