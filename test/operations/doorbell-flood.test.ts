import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { startService, type TestService } from '../support/start-service.ts';

const BURST = 100;
const plaintext = Buffer.from('an invoice').toString('base64');

let service: TestService;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    config: { http: { port: 0, maxConcurrent: 8 } },
    homeSecrets: { 'vaultspan-bell-key': newSecretKey() },
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const guess = async (n: number) => (await service.request().post(`/doorbell/${`${n}`.padStart(43, 'C')}`)).status;

test('a flood of guesses takes no place of other requests while its bells are looked up', async () => {
  for (let n = 0; n < BURST; n += 1) await guess(n); // the service's clock stands still: the rate is spent
  const waiting = Array.from({ length: 40 }, (_, n) => guess(BURST + n));
  const { status } = await service.post('/tenants/contoso/encrypt', { plaintext });
  expect([status, ...(await Promise.all(waiting))]).toEqual([200, ...Array.from(waiting, () => 202)]);
});
