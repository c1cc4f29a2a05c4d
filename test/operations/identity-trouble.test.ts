import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Fault } from '../../src/emulator/faults.ts';
import { callsOf } from '../support/calls-of.ts';
import { addCustomers } from '../support/customers.ts';
import { startService, type TestService } from '../support/start-service.ts';

type Kind = Omit<Fault, 'at'>;

/** The ways in which Entra can fail. */
const troubles: Record<string, Kind> = {
  throttling: { kind: 'status', status: 429, headers: { 'retry-after': '7' } },
  'mute-throttling': { kind: 'status', status: 429, code: 'AADSTS90055' },
  'plain-throttling': { kind: 'status', status: 429 },
  'error-500': { kind: 'status', status: 500 },
  'error-503': { kind: 'status', status: 503 },
  reset: { kind: 'reset' },
  hang: { kind: 'hang' },
  garbage: { kind: 'garbage' },
};
const PROOF_SECONDS = 300;

let service: TestService;
/** It stays valid however far the clock is moved. */
let token: string;
beforeAll(async () => {
  service = await startService({ config: { vault: { deadlineSeconds: 4 } } });
  token = await service.emulator.issueCallerToken({ expiresInSeconds: 86_400 });
  await addCustomers(service, [
    ...Object.keys(troubles),
    ...Object.keys(troubles).map((name) => `warm-${name}`),
    'once',
    'storm',
    'blocked',
    'hanging',
  ]);
  await encrypt('fabrikam'); // the callers' keys are read
});
beforeEach(() => service.emulator.control.clearRequests());
afterEach(() => service.emulator.control.clearFaults());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const { plaintext, encrypt, decrypt } = callsOf(() => ({ service, token }));
const inject = (fault: Kind) => service.emulator.control.injectFault({ at: 'entra', ...fault });
const tokenRequests = () => service.vaultCalls('entra').filter((call) => call === 'token');

describe.each(Object.entries(troubles))('%s of Entra', (name, fault) => {
  test('gives a cold tenant a Retry-After, after which it is served again', async () => {
    await inject({ ...fault, operation: 'token' });
    const response = await encrypt(name);
    expect([response.status, response.body.code]).toEqual([503, 'identity-unavailable']);
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
    expect(response.body.retryAfter).toBe(Number(response.headers['retry-after']));
    await service.emulator.control.clearFaults();
    service.clock.advance(response.body.retryAfter);
    expect((await encrypt(name)).status).toBe(200);
  });

  test('lets a warm tenant use its cached token until that expires', async () => {
    const tenant = `warm-${name}`;
    const { ciphertext } = (await encrypt(tenant)).body;
    await inject({ ...fault, operation: 'token' });
    service.clock.advance(PROOF_SECONDS);
    expect((await decrypt(tenant, ciphertext)).body).toMatchObject({ plaintext });
    expect(service.vaultCalls(tenant).at(-1)).toBe('unwrapKey');
    expect(tokenRequests().length).toBeGreaterThan(1);
  });
});

test('one transient failure of Entra is retried', async () => {
  await inject({ kind: 'status', status: 503, operation: 'token', times: 1 });
  expect((await encrypt('once')).status).toBe(200);
});

/** Ten callers of one cold tenant, each of which retries at once. */
async function storm(tenant: string): Promise<readonly { readonly code: string; readonly retryAfter?: number }[]> {
  const caller = async () => [(await encrypt(tenant)).body, (await encrypt(tenant)).body, (await encrypt(tenant)).body];
  return (await Promise.all(Array.from({ length: 10 }, caller))).flat();
}

test('a throttling Entra gets one token request per directory and back-off step, and callers get its Retry-After', async () => {
  await inject({ kind: 'status', status: 429, operation: 'token' });
  const refused = await storm('storm');
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['identity-unavailable']));
  expect(Math.min(...refused.map(({ retryAfter = 0 }) => retryAfter))).toBeGreaterThanOrEqual(59);
  expect(tokenRequests()).toEqual(['token']);
  service.clock.advance(75);
  await storm('storm');
  expect(tokenRequests()).toEqual(['token', 'token']);
  service.clock.advance(75);
});

test('a customer’s refusal gets one token request per directory and back-off step', async () => {
  await service.emulator.control.disableApp({ tenant: 'storm' });
  expect(new Set((await storm('storm')).map(({ code }) => code))).toEqual(new Set(['access-revoked']));
  expect(tokenRequests()).toEqual(['token']);
});

test('a Conditional Access policy refuses at once, although a token is cached', async () => {
  const { ciphertext } = (await encrypt('blocked')).body;
  await service.emulator.control.blockByConditionalAccess({ tenant: 'blocked' });
  service.clock.advance(PROOF_SECONDS);
  expect((await decrypt('blocked', ciphertext)).body).toMatchObject({
    code: 'access-revoked',
    reason: 'conditional-access',
  });
  await inject({ kind: 'status', status: 503, operation: 'token' });
  service.clock.advance(PROOF_SECONDS);
  expect((await decrypt('blocked', ciphertext)).body.code).toBe('identity-unavailable');
});

test('a hanging Entra gets one sign-in per directory and back-off step', async () => {
  await inject({ kind: 'hang', operation: 'token' });
  expect(new Set((await storm('hanging')).map(({ code }) => code))).toEqual(new Set(['identity-unavailable']));
  expect(tokenRequests()).toEqual(['token']);
});

test('an expired token is not used during an outage of Entra', async () => {
  service.clock.advance(75);
  const { ciphertext } = (await encrypt('contoso')).body;
  await service.emulator.control.setTokenLifetime({ seconds: PROOF_SECONDS });
  service.clock.advance(PROOF_SECONDS);
  expect((await decrypt('contoso', ciphertext)).status).toBe(200);
  await inject({ kind: 'status', status: 503, operation: 'token' });
  service.clock.advance(PROOF_SECONDS + 1);
  expect((await decrypt('contoso', ciphertext)).body.code).toBe('identity-unavailable');
});
