import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { addCustomers, changeTenant } from '../support/customers.ts';
import { startService, type TestService } from '../support/start-service.ts';

/**
 * A vault, or a proxy before it, that answers an unwrap with well-formed JSON and other bytes than
 * were wrapped.
 */
let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addCustomers(service, ['short', 'other', 'foreign']);
  await changeTenant(service, 'foreign', (tenant) => ({ ...tenant, origin: 'optional' }));
  for (const id of ['short', 'other', 'foreign']) {
    await changeTenant(service, id, (tenant) => ({ ...tenant, dataKeys: { mode: 'perMessage' } }));
  }
});
afterEach(() => service.emulator.control.clearFaults());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const encrypt = async (tenant: string) =>
  (await service.post(`/tenants/${tenant}/encrypt`, { plaintext })).body.ciphertext;
const decrypt = (tenant: string, ciphertext: string) => service.post(`/tenants/${tenant}/decrypt`, { ciphertext });
const unwrapTo = (at: string, bytes: Buffer) =>
  service.emulator.control.injectFault({
    at,
    operation: 'unwrapKey',
    kind: 'garbage',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kid: 'https://localhost/keys/data/0', value: bytes.toString('base64url') }),
  });
const ofTheVault = { status: 503, code: 'vault-unavailable', retryAfter: 5 };
const BOUND_SECONDS = 300;

describe('too few bytes', () => {
  test("for a data key of ours are the vault's fault, and dropped once it is over", async () => {
    const ciphertext = await encrypt('short');
    await unwrapTo('short', Buffer.alloc(3));
    expect((await decrypt('short', ciphertext)).body).toMatchObject(ofTheVault);
    await service.emulator.control.clearFaults();
    expect((await decrypt('short', ciphertext)).body.plaintext).toBe(plaintext);
  });

  test('for a data key of any origin are its content', async () => {
    const ciphertext = await encrypt('foreign');
    await unwrapTo('foreign', Buffer.alloc(3));
    expect((await decrypt('foreign', ciphertext)).body).toMatchObject({ status: 422, code: 'undecryptable' });
  });
});

describe('wrong bytes of the right length', () => {
  test('open nothing, and are not kept for longer than until access is proven again', async () => {
    const ciphertext = await encrypt('other');
    await unwrapTo('other', Buffer.alloc(32, 7));
    expect((await decrypt('other', ciphertext)).body).toMatchObject({ status: 422, code: 'undecryptable' });
    await service.emulator.control.clearFaults();
    service.clock.advance(BOUND_SECONDS);
    expect((await decrypt('other', ciphertext)).body).toMatchObject(ofTheVault);
    expect((await decrypt('other', ciphertext)).body.plaintext).toBe(plaintext);
  });

  test("are the vault's fault if the data key is known, which is then unwrapped again", async () => {
    const ciphertext = await encrypt('other');
    expect((await decrypt('other', ciphertext)).body.plaintext).toBe(plaintext);
    service.clock.advance(BOUND_SECONDS);
    await unwrapTo('other', Buffer.alloc(32, 7));
    expect((await decrypt('other', ciphertext)).body).toMatchObject(ofTheVault);
    await service.emulator.control.clearFaults();
    expect((await decrypt('other', ciphertext)).body.plaintext).toBe(plaintext);
  });
});
