import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { callsOf } from '../support/calls-of.ts';
import { addCustomers, changeTenant } from '../support/customers.ts';
import { scrape } from '../support/scrape.ts';
import { startService, type TestService } from '../support/start-service.ts';

const BUDGET_BURST = 20;
const ONE_OF_EACH = ['challenge', 'getKey', 'wrapKey', 'unwrapKey'];

let service: TestService;
/** It stays valid however far the clock is moved. */
let token: string;
beforeAll(async () => {
  service = await startService({
    config: {
      vault: { deadlineSeconds: 5, budgetPerSecond: 0.1, budgetBurst: BUDGET_BURST },
      metrics: { enabled: true, port: 0 },
    },
  });
  token = await service.emulator.issueCallerToken({ expiresInSeconds: 86_400 });
  await addCustomers(service, ['hanging', 'spending', 'throttling', 'neighbour']);
  for (const id of ['hanging', 'spending']) {
    // A data key for each message: each ciphertext causes an unwrap of its own.
    await changeTenant(service, id, (tenant) => ({ ...tenant, dataKeys: { mode: 'perMessage' } }));
  }
  service.clock.stop(); // budgets and breakers change with the time
});
beforeEach(() => service.emulator.control.clearRequests());
afterEach(() => service.emulator.control.clearFaults());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const { plaintext, encrypt, decrypt } = callsOf(() => ({ service, token }));
const together = <T>(count: number, start: (index: number) => PromiseLike<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => start(index)));
const sealed = async (tenant: string, count: number): Promise<string[]> =>
  (await together(count, () => encrypt(tenant))).map(({ body }) => body.ciphertext);
const shown = async (series: string) => (await scrape(service.metricsUrl)).get(`vaultspan_${series}`);
/** Returns how often each outcome occurred: a status, or code and reason. */
function tally(answers: readonly { readonly status: number; readonly body: Record<string, unknown> }[]) {
  const outcomeOf = ({ status, body }: (typeof answers)[number]) =>
    status === 200 ? '200' : [body['code'], body['reason']].filter((part) => part !== undefined).join(' ');
  return Object.fromEntries([...Map.groupBy(answers, outcomeOf)].map(([outcome, some]) => [outcome, some.length]));
}

describe('a hanging vault whose callers retry', () => {
  const CALLERS = 15;
  const rationed = (reason: string) => `vault_calls_rationed_total{reason="${reason}"}`;

  test('gets no more calls after ten, harms no neighbour, and is used again when it answers', async () => {
    const ciphertexts = await sealed('hanging', CALLERS);
    await service.emulator.control.injectFault({ at: 'hanging', kind: 'hang' });
    service.clock.advance(200); // the budget is full again
    service.emulator.control.clearRequests();
    expect([await shown('vault_breakers_open'), await shown(rationed('breaker'))]).toEqual([0, 0]);
    const attempt = () => together(CALLERS, (index) => decrypt('hanging', ciphertexts[index] ?? ''));
    const first = attempt();
    const neighbour = await together(CALLERS, () => encrypt('neighbour'));
    expect(tally(neighbour)).toEqual({ 200: CALLERS });
    expect(service.vaultCalls('neighbour')).toEqual(ONE_OF_EACH);
    const hung = tally(await first);
    expect(hung).toEqual({ 'vault-unavailable': 10, 'vault-throttled budget': CALLERS - 10 });
    expect(tally(await attempt())).toEqual({ 'vault-unavailable breaker': CALLERS });
    expect(tally(await attempt())).toEqual({ 'vault-unavailable breaker': CALLERS });
    expect((await encrypt('hanging')).status).toBe(200); // proven access continues
    expect(service.vaultCalls('hanging')).toEqual(Array.from({ length: 10 }, () => 'unwrapKey'));
    expect(service.logLines.filter((line) => line.includes('"msg":"vault circuit breaker opened"'))).toHaveLength(1);

    expect(await shown('vault_breakers_open')).toBe(1);
    expect(await shown(rationed('breaker'))).toBeGreaterThanOrEqual(2 * CALLERS); // and so do early renewals
    expect(await shown(rationed('budget'))).toBeGreaterThanOrEqual(CALLERS - 10);

    const logged = service.logLines.filter(
      (line) => line.includes('"msg":"request failed"') && !line.includes('"count"'),
    );
    expect(logged).toHaveLength(2); // one for the calls that hung, one for those that the breaker refused

    const retry = await decrypt('hanging', ciphertexts[0] ?? '');
    expect([retry.status, retry.headers['retry-after']]).toEqual([503, String(retry.body.retryAfter)]);
    expect([1, 2, 3, 4, 5]).toContain(retry.body.retryAfter); // what is left of the 5 s that a breaker stays open
    await service.emulator.control.clearFaults();
    service.clock.advance(30); // the breaker allows a trial call, and the budget has calls again
    service.emulator.control.clearRequests();
    const back = await decrypt('hanging', ciphertexts[0] ?? '');
    expect([back.status, back.body.plaintext]).toEqual([200, plaintext]);
    expect(service.vaultCalls('hanging')).toEqual(['unwrapKey']);
    expect(await shown('vault_breakers_open')).toBe(0);
  });
});

describe('the budget of a vault', () => {
  test('gives at most half to cold unwraps; proofs and new data keys have the rest', async () => {
    const ciphertexts = await sealed('spending', BUDGET_BURST);
    service.clock.advance(299); // the budget is full again, and the proof of access is still valid
    service.emulator.control.clearRequests();
    const answers = await together(BUDGET_BURST, (index) => decrypt('spending', ciphertexts[index] ?? ''));
    expect(tally(answers)).toEqual({ 200: BUDGET_BURST / 2, 'vault-throttled budget': BUDGET_BURST / 2 });
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers['retry-after']).toBe(String(refused?.body.retryAfter));
    expect(refused?.body.detail).toContain('budget');
    const unwraps = service.vaultCalls('spending').filter((call) => call === 'unwrapKey');
    expect(unwraps.length - BUDGET_BURST / 2).toBeLessThanOrEqual(1); // and the proof, renewed early
    service.clock.advance(1);
    expect((await encrypt('spending')).status).toBe(200);
  });

  test('belongs to one vault: its neighbours have their own', async () => {
    expect((await encrypt('neighbour')).status).toBe(200);
  });
});

describe('a vault that throttles', () => {
  test.each([
    ['with Retry-After', { 'retry-after': '20' }, 20],
    ['without', {}, 2],
  ])('%s gets a pause, is no revocation, and is used again in time', async (_case, headers, seconds) => {
    service.clock.advance(600);
    await service.emulator.control.injectFault({ at: 'throttling', kind: 'status', status: 429, headers });
    service.emulator.control.clearRequests();
    const first = await encrypt('throttling');
    expect(first.body).toMatchObject({ status: 429, code: 'vault-throttled', retryAfter: seconds });
    expect(first.body.reason).toBeUndefined();
    const calls = service.vaultCalls('throttling').length;
    await service.emulator.control.clearFaults();
    const backingOff = await encrypt('throttling');
    expect(backingOff.body).toMatchObject({ status: 429, code: 'vault-throttled', reason: 'back-off' });
    expect(Number(backingOff.headers['retry-after'])).toBeLessThanOrEqual(seconds);
    expect(service.vaultCalls('throttling')).toHaveLength(calls);
    expect((await encrypt('neighbour')).status).toBe(200);
    service.clock.advance(seconds);
    expect((await encrypt('throttling')).status).toBe(200);
  });
});
