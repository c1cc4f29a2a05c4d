import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { ServiceError } from '../../src/errors.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { doorbellLimit, ringDoorbell } from '../../src/operations/ring-doorbell.ts';
import { bellDigest } from '../../src/tenants/bells.ts';
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

const MAX_WAITING = 4_000;
const REAL = 'R'.repeat(43);

/** A process whose rate is spent, before a database that answers when the test says so. */
function flooded() {
  const { promise: known, resolve, reject } = Promise.withResolvers<readonly string[]>();
  known.catch(() => undefined); // nobody waits for it yet when it fails
  const rung: string[] = [];
  const bells = {
    known: () => known,
    ring: async (digest: string) => {
      rung.push(digest);
      return { tenantId: 'contoso', sequence: 1 };
    },
  };
  const records: unknown[] = [];
  const deps = {
    bells,
    clock: systemClock,
    recordLater: (event: unknown) => records.push(event),
    countRefusal: () => {},
  };
  const { ringGathered } = doorbellLimit(bells);
  const limit = { rate: { take: () => false }, ringGathered };
  const ring = (bell: string) => ringDoorbell(deps, limit, { requestId: 'id', bell, stepAside: () => {} });
  return { ring, rung, records, resolve, reject };
}

test('more rings than may wait for the database are refused, whatever their bell, and those before take effect', async () => {
  const { ring, rung, resolve } = flooded();
  const waiting = [REAL, ...Array.from({ length: MAX_WAITING - 1 }, (_, n) => `${n}`.padStart(43, 'C'))].map(ring);
  const refused = { code: 'overloaded', reason: 'doorbell', retryAfter: 1 };
  await expect(ring(REAL)).rejects.toMatchObject(refused);
  await expect(ring('D'.repeat(43))).rejects.toMatchObject(refused);
  expect(rung).toEqual([]);
  resolve([bellDigest(REAL) ?? '']);
  await Promise.all(waiting);
  expect(rung).toEqual([bellDigest(REAL)]);
  await ring('E'.repeat(43)); // there is room again
});

test('rings of one bell in a flood are one ring with one record, and share its failure', async () => {
  const working = flooded();
  const rings = [working.ring(REAL), working.ring(REAL), working.ring(REAL)];
  working.resolve([bellDigest(REAL) ?? '']);
  await Promise.all(rings);
  expect([working.rung.length, working.records.length]).toEqual([1, 1]);

  const failing = flooded();
  const failed = [failing.ring(REAL), failing.ring(REAL)];
  failing.reject(new ServiceError('registry-unavailable', 'The database is away'));
  const codes = (await Promise.allSettled(failed)).map((ring) => ring.status === 'rejected' && ring.reason.code);
  expect(codes).toEqual(['registry-unavailable', 'registry-unavailable']);
  expect(failing.rung).toEqual([]);
});
