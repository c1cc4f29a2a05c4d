import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { addCustomers } from '../support/customers.ts';
import { startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const HOUR_SECONDS = 3_600;
/** Keys are generated, which takes long on a busy machine. */
const HOUR_MS = 60_000;

type Asked = Readonly<Record<string, number>>;

interface Load {
  readonly tenant: string;
  readonly stepSeconds: number;
  /** In each step: one encryption, and a decryption of each of six messages. */
  readonly times: number;
}

/** The vault calls must not depend on the load. */
const loads: readonly Load[] = [
  { tenant: 'quiet', stepSeconds: 10, times: 1 },
  { tenant: 'busy', stepSeconds: 30, times: 3 },
];

let service: TestService;
let token: string;
beforeAll(async () => {
  service = await startService();
  token = await service.emulator.issueCallerToken({
    roles: ['Data.Encrypt', 'Data.Decrypt'],
    expiresInSeconds: 86_400,
  });
  await addCustomers(service, [...loads.map(({ tenant }) => tenant), 'idle']);
  // The SDK checks expiry by the machine's clock, and the test's clock is hours ahead: here only
  // age replaces a token.
  await service.emulator.control.setTokenLifetime({ seconds: 86_400 });
  service.clock.stop();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');

/**
 * Posts with fetch, which keeps its connections: there are thousands of requests. Any status but
 * 200 fails the test.
 */
async function post(path: string, body: object): Promise<{ readonly ciphertext: string; readonly plaintext: string }> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const response = await fetch(`${service.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const answer = (await response.json()) as { readonly ciphertext: string; readonly plaintext: string };
  expect([response.status, answer]).toEqual([200, expect.any(Object)]);
  return answer;
}
const encrypt = (tenant: string) => post(`/tenants/${tenant}/encrypt`, { plaintext });
const decrypt = async (tenant: string, ciphertext: string) =>
  expect((await post(`/tenants/${tenant}/decrypt`, { ciphertext })).plaintext).toBe(plaintext);

/** Returns three messages under the current key version, each with a data key of its own. */
async function threeDataKeys(tenant: string): Promise<string[]> {
  await using other = await startSecondProcess(service, { dataKeys: { mode: 'perMessage' } });
  const seal = () => other.post(`/tenants/${tenant}/encrypt`, { plaintext }, token);
  const answers = [await seal(), await seal(), await seal()];
  return answers.map(({ body }) => body.ciphertext);
}

/** Returns the requests to the tenant's vault, and to Entra for its directory, by operation. */
function asked(tenant: string): Asked {
  const { tenantId } = service.emulator.customers.find(({ name }) => name === tenant) ?? {};
  const counts: Record<string, number> = {};
  for (const { at, operation, tenantId: directory } of service.emulator.control.requests()) {
    if (at === tenant || (at === 'entra' && directory === tenantId)) counts[operation] = (counts[operation] ?? 0) + 1;
  }
  return counts;
}

const MINTED_ANEW = 3_240;

/**
 * Returns the calls that a tenant needs in this time with two key versions, three opened data keys
 * of each and one minted. All begins with one call at 0 s, and every part below falls on a step of
 * both loads.
 */
function needed(seconds: number): Asked {
  // A proof of access to a key version is valid for the bound of 300 s. It is renewed from half of
  // it on, for all data keys of that version together.
  const renewals = Math.floor(seconds / 150);
  // A data key is used for 3,600 s, and the next is minted at nine tenths: its own unwrap is a
  // proof from which renewals count again.
  const isMintedAnew = seconds >= MINTED_ANEW;
  const renewalsOfNewest = isMintedAnew
    ? Math.floor(MINTED_ANEW / 150) + Math.floor((seconds - MINTED_ANEW) / 150)
    : renewals;
  const minted = isMintedAnew ? 2 : 1;
  return {
    challenge: 1,
    // A token is replaced at half of the bound, so by the renewals; MSAL reads the directory's
    // metadata before each sign-in.
    discovery: 1 + renewals,
    token: 1 + renewals,
    // At 0 s six opened data keys; each minted one before its first use; then two versions.
    unwrapKey: 6 + minted + renewals + renewalsOfNewest,
    // The registered key is read again each 15 min, whatever its versions.
    getKey: 1 + Math.floor(seconds / 900),
    wrapKey: minted,
  };
}

const totalOf = (counts: Asked): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

/**
 * Expects these calls. Renewals run in the background: the clock must not move while one is in
 * progress.
 */
async function expectAsked(tenant: string, expected: Asked): Promise<void> {
  await until(() => totalOf(asked(tenant)) >= totalOf(expected), `${totalOf(expected)} calls`);
  expect(asked(tenant)).toEqual(expected);
}

test.each(loads)(
  '$tenant: an hour of 7 calls × $times each $stepSeconds s costs one unwrap for each version and renewal, and no more',
  async ({ tenant, stepSeconds, times }) => {
    const old = await threeDataKeys(tenant);
    await service.emulator.control.rotateKey({ vault: tenant, key: 'data' });
    const messages = [...old, ...(await threeDataKeys(tenant))];
    const step = async () => {
      for (let time = 0; time < times; time += 1) {
        await Promise.all([encrypt(tenant), ...messages.map((message) => decrypt(tenant, message))]);
      }
    };
    service.emulator.control.clearRequests();
    await encrypt(tenant); // first, or an unwrap of a message would be the proof for the minted data key
    await step();
    await expectAsked(tenant, needed(0));
    for (let seconds = stepSeconds; seconds <= HOUR_SECONDS; seconds += stepSeconds) {
      service.clock.advance(stepSeconds);
      await step();
      await expectAsked(tenant, needed(seconds));
    }
    expect(needed(HOUR_SECONDS)).toMatchObject({ token: 25, unwrapKey: 55, getKey: 5, wrapKey: 2 });
    expect(service.vaultCalls('home')).toEqual([]);
  },
  HOUR_MS,
);

test('idle: an hour without a call costs nothing, and the next call costs as much as the first', async () => {
  const first = { getKey: 1, wrapKey: 1, unwrapKey: 1, discovery: 1, token: 1 };
  service.emulator.control.clearRequests();
  await encrypt('idle');
  expect(asked('idle')).toEqual({ challenge: 1, ...first });
  service.emulator.control.clearRequests();
  for (let seconds = 0; seconds < HOUR_SECONDS; seconds += 300) {
    service.clock.advance(300);
    await encrypt('contoso'); // the process lives
  }
  expect(asked('idle')).toEqual({});
  await encrypt('idle');
  expect(asked('idle')).toEqual(first);
});
