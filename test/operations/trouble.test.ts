import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Fault } from '../../src/emulator/faults.ts';
import { callsOf } from '../support/calls-of.ts';
import { addCustomers } from '../support/customers.ts';
import { startService, type TestService } from '../support/start-service.ts';

type Kind = Omit<Fault, 'at'>;

interface Trouble {
  readonly fault: Kind;
  readonly code: string;
  readonly status: number;
  readonly retryAfter: number;
  /** The vault's calls for one cold encrypt or decrypt after the challenge. */
  readonly calls: number;
}

const unavailable = { status: 503, code: 'vault-unavailable', retryAfter: 5 };
const throttled = { status: 429, code: 'vault-throttled' };

/** A throttling vault is not called during its Retry-After, a minute at most. */
const BACK_OFF_SECONDS = 60;

/** All of them happen at the vault, on any request with a token. */
const troubles: Record<string, Trouble> = {
  throttling: {
    fault: { kind: 'status', status: 429, headers: { 'retry-after': '7' } },
    ...throttled,
    retryAfter: 7,
    calls: 1,
  },
  'mute-throttling': { fault: { kind: 'status', status: 429 }, ...throttled, retryAfter: 2, calls: 1 },
  'endless-throttling': {
    fault: { kind: 'status', status: 429, headers: { 'retry-after': '86400' } },
    ...throttled,
    retryAfter: 86_400,
    calls: 1,
  },
  'error-503': { fault: { kind: 'status', status: 503 }, ...unavailable, calls: 2 },
  'error-503-later': {
    fault: { kind: 'status', status: 503, headers: { 'retry-after': '3600' } },
    ...unavailable,
    calls: 2,
  },
  'error-500': { fault: { kind: 'status', status: 500 }, ...unavailable, calls: 2 },
  'error-502': { fault: { kind: 'status', status: 502, code: 'BadGateway' }, ...unavailable, calls: 2 },
  reset: { fault: { kind: 'reset' }, ...unavailable, calls: 2 },
  hang: { fault: { kind: 'hang' }, ...unavailable, calls: 1 },
  garbage: { fault: { kind: 'garbage' }, ...unavailable, calls: 2 },
};
const transients: Record<string, Kind> = {
  'once-503': { kind: 'status', status: 503, times: 1 },
  'once-500': { kind: 'status', status: 500, times: 1 },
  'once-reset': { kind: 'reset', times: 1 },
};

let service: TestService;
/** It stays valid however far the clock is moved. */
let token: string;
beforeAll(async () => {
  service = await startService({ config: { vault: { deadlineSeconds: 4 } } });
  token = await service.emulator.issueCallerToken({ expiresInSeconds: 86_400 });
  await addCustomers(service, [...Object.keys(troubles), ...Object.keys(transients), 'challenged', 'rejected', 'gone']);
  await encrypt('fabrikam'); // the callers' keys are read, and fabrikam is warm
});
beforeEach(() => service.emulator.control.clearRequests());
afterEach(() => service.emulator.control.clearFaults());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const { plaintext, encrypt, decrypt } = callsOf(() => ({ service, token }));
const inject = (at: string, fault: Kind) => service.emulator.control.injectFault({ at, ...fault });
const callsAfterChallenge = (at: string) => service.vaultCalls(at).filter((call) => call !== 'challenge');

describe.each(Object.entries(troubles))('%s of a vault', (name, trouble) => {
  test('gives encrypt and decrypt a Retry-After, and is no revocation', async () => {
    const { status, code, retryAfter, calls } = trouble;
    await inject(name, { ...trouble.fault, operation: 'getKey' });
    const first = await encrypt(name);
    expect([first.status, first.body.code, first.body.retryAfter]).toEqual([status, code, retryAfter]);
    expect(first.headers['retry-after']).toBe(String(retryAfter));
    expect(callsAfterChallenge(name)).toEqual(Array.from({ length: calls }, () => 'getKey'));
    await service.emulator.control.clearFaults();
    service.clock.advance(BACK_OFF_SECONDS);
    const { ciphertext } = (await encrypt(name)).body;
    service.clock.advance(300);
    service.emulator.control.clearRequests();
    await inject(name, { ...trouble.fault, operation: 'unwrapKey' });
    const decrypted = await decrypt(name, ciphertext);
    expect([decrypted.status, decrypted.body.code, decrypted.headers['retry-after']]).toEqual([
      status,
      code,
      String(retryAfter),
    ]);
    expect(callsAfterChallenge(name)).toEqual(Array.from({ length: calls }, () => 'unwrapKey'));
    await service.emulator.control.clearFaults();
    service.clock.advance(BACK_OFF_SECONDS);
    expect((await decrypt(name, ciphertext)).body.plaintext).toBe(plaintext);
  });
});

describe.each(Object.entries(transients))('%s of a vault', (name, fault) => {
  test.each([['getKey'], ['wrapKey'], ['unwrapKey']])('on %s goes unnoticed after one retry', async (operation) => {
    await inject(name, { ...fault, operation });
    service.clock.advance(300);
    expect((await encrypt(name)).status).toBe(200);
  });

  test('on the challenge goes unnoticed', async () => {
    await inject('challenged', { ...fault, operation: 'challenge' });
    expect((await encrypt('challenged')).status).toBe(200);
  });
});

describe('401 of a vault', () => {
  const challenge = (tenant: string): Kind => {
    const { tenantId } = service.emulator.customers.find(({ name }) => name === tenant) ?? {};
    const authorization = `${service.emulator.authorityHost}/${tenantId}`;
    const header = `Bearer authorization="${authorization}", resource="https://vault.azure.net"`;
    return { kind: 'status', status: 401, code: 'Unauthorized', headers: { 'www-authenticate': header } };
  };

  test('once is handled by its new challenge', async () => {
    await encrypt('rejected');
    service.clock.advance(300);
    await inject('rejected', { ...challenge('rejected'), operation: 'unwrapKey', times: 1 });
    service.emulator.control.clearRequests();
    expect((await encrypt('rejected')).status).toBe(200);
    expect(callsAfterChallenge('rejected')).toEqual(['unwrapKey', 'unwrapKey']);
  });

  const rejected: Kind = { kind: 'status', status: 401, code: 'AKV10046', operation: 'unwrapKey' };

  test('without a challenge gets one retry with a new token', async () => {
    await encrypt('rejected');
    service.clock.advance(300);
    await inject('rejected', { ...rejected, times: 1 });
    service.emulator.control.clearRequests();
    expect((await encrypt('rejected')).status).toBe(200);
    expect(callsAfterChallenge('rejected')).toEqual(['unwrapKey', 'unwrapKey']);
    expect(service.vaultCalls('entra').filter((operation) => operation === 'token')).toHaveLength(2);
  });

  test('repeatedly is an outage, which a key proven within the bound survives', async () => {
    const { ciphertext } = (await encrypt('rejected')).body;
    await inject('rejected', rejected);
    service.clock.advance(299);
    expect((await decrypt('rejected', ciphertext)).body.plaintext).toBe(plaintext);
    service.clock.advance(1);
    expect((await decrypt('rejected', ciphertext)).body).toMatchObject({ ...unavailable, reason: 'token-refused' });
    await service.emulator.control.clearFaults();
    expect((await decrypt('rejected', ciphertext)).body.plaintext).toBe(plaintext);
  });
});

test.each([400, 403, 404])(
  'another server that answers %i in place of a vault is an outage, which a proven key survives',
  async (status) => {
    const { ciphertext } = (await encrypt('rejected')).body;
    await inject('rejected', { kind: 'garbage', status, operation: 'unwrapKey' });
    service.clock.advance(299);
    expect((await decrypt('rejected', ciphertext)).body.plaintext).toBe(plaintext);
    service.clock.advance(1);
    const refused = await decrypt('rejected', ciphertext);
    expect(refused.body).toMatchObject({ ...unavailable, reason: 'another-server' });
    await service.emulator.control.clearFaults();
    expect((await decrypt('rejected', ciphertext)).body.plaintext).toBe(plaintext);
  },
);

test('a missing vault is an outage, and its tenant is served when it is restored', async () => {
  const { ciphertext } = (await encrypt('gone')).body;
  service.clock.advance(300);
  await service.emulator.control.deleteVault({ vault: 'gone' });
  expect((await decrypt('gone', ciphertext)).body).toMatchObject(unavailable);
  await service.emulator.control.restoreVault({ vault: 'gone' });
  expect((await decrypt('gone', ciphertext)).body.plaintext).toBe(plaintext);
});

test('a hanging vault delays no other tenant', async () => {
  await inject('contoso', { kind: 'hang' });
  const order: string[] = [];
  const hanging = Array.from({ length: 10 }, () => encrypt('contoso').then(({ body }) => order.push(body.code)));
  for (let time = 0; time < 3; time += 1) {
    expect((await encrypt('fabrikam')).status).toBe(200);
    order.push('fabrikam');
  }
  await Promise.all(hanging);
  expect(order.slice(0, 3)).toEqual(['fabrikam', 'fabrikam', 'fabrikam']);
  expect(new Set(order.slice(3))).toEqual(new Set(['vault-unavailable']));
});
