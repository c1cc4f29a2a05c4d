import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addCustomers } from '../support/customers.ts';
import { scrape } from '../support/scrape.ts';
import { startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const MAX_CONCURRENT = 8;
const MIB = 1024 * 1024;
/** A body above a quarter of the limit. */
const LARGE = 1_250_000;

let service: TestService;
let sockets: Socket[] = [];
beforeAll(async () => {
  service = await startService({
    limits: { 'limited-service': ['contoso'] },
    config: {
      http: { port: 0, drainSeconds: 0, maxConcurrent: MAX_CONCURRENT, maxBufferedBytes: 4 * MIB },
      metrics: { enabled: true, port: 0 },
    },
  });
  await addCustomers(service, ['busy', 'large']);
});
beforeEach(() => until(async () => (await encrypt('busy')).status === 200, 'nothing is under way'));
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const encrypt = (tenant: string, token = service.token()) =>
  service.post(`/tenants/${tenant}/encrypt`, { plaintext }, token);
const get = (path: string) => service.request().get(path);
const counted = async (series: string, url: string = service.metricsUrl) =>
  (await scrape(url)).get(`vaultspan_${series}`);
const shed = (reason: string) => ({ status: 503, code: 'overloaded', reason, retryAfter: 1 });

/**
 * Sends requests with their head and a part of the body, and never the rest: they stay unfinished
 * until the test ends.
 */
async function hold(
  tenant: string,
  count: number,
  bytes: number = 100,
  token: string = service.token(),
  sent: number = 1,
): Promise<void> {
  const { host, port, hostname } = new URL(service.url);
  for (let n = 0; n < count; n += 1) {
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(
      `POST /tenants/${tenant}/encrypt HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n{${' '.repeat(sent - 1)}`,
    );
  }
}

const untilShed = (tenant: string, reason: string, token?: string): Promise<void> =>
  until(async () => (await encrypt(tenant, token)).body.reason === reason, `${tenant} is shed for ${reason}`);

describe('concurrent requests', () => {
  test('of one tenant leave room for others: the tenant with the most is shed first', async () => {
    await hold('busy', 4);
    await untilShed('busy', 'tenant-share');
    const refused = await encrypt('busy');
    expect(refused.body).toMatchObject(shed('tenant-share'));
    expect([refused.headers['retry-after'], refused.type]).toEqual(['1', 'application/problem+json']);
    expect((await service.post('/tenants/busy/encrypt', { plaintext }, '')).body).toMatchObject(shed('tenant-share'));
    expect((await encrypt('fabrikam')).status).toBe(200);
    await hold('fabrikam', 2);
    await untilShed('fabrikam', 'tenant-share');
    expect((await encrypt('large')).status).toBe(200);
  });

  test('of a caller that may not name a tenant use nothing of its share', async () => {
    const limited = await service.emulator.issueCallerToken({ claims: { azp: 'limited-service' } });
    await hold('busy', 3);
    await hold('fabrikam', 4, 100, limited);
    await Promise.all(sockets.slice(3).map((socket) => once(socket, 'data'))); // each is answered without its body
    expect((await encrypt('fabrikam')).status).toBe(200);
  });

  test('of strangers use nothing of the share of the tenant that they name', async () => {
    await hold('busy', 3);
    const strangers = Array.from({ length: 20 }, () => service.post('/tenants/fabrikam/encrypt', { plaintext }, 'x'));
    await Promise.all(strangers);
    expect((await encrypt('fabrikam')).status).toBe(200);
  });

  test('beyond the limit are refused at the entry, with or without a token, except for the probes', async () => {
    await hold('busy', 4);
    await untilShed('busy', 'tenant-share');
    await hold('fabrikam', 2);
    await untilShed('fabrikam', 'tenant-share');
    await hold('large', 2);
    await untilShed('contoso', 'requests');
    const ofDoor = 'requests_total{operation="none",status="5xx",code="overloaded"}';
    const before = [await counted(ofDoor), await counted('requests_shed_total{reason="requests"}')];
    const turnedAway = await encrypt('contoso');
    expect(turnedAway.body).toMatchObject({ ...shed('requests'), requestId: turnedAway.headers['x-request-id'] });
    const after = [await counted(ofDoor), await counted('requests_shed_total{reason="requests"}')];
    expect(after).toEqual(before.map((count) => Number(count) + 1));
    expect((await get('/nowhere')).body).toMatchObject(shed('requests'));
    expect([(await get('/healthz')).status, (await get('/readyz')).status]).toEqual([200, 200]);
    for (const socket of sockets) socket.destroy();
    await until(async () => (await encrypt('contoso')).status === 200, 'there is room');
    expect((await encrypt('busy')).status).toBe(200);
  });

  test('end with their connection, answered or not', async () => {
    for (let time = 0; time < 3; time += 1) {
      await hold('busy', 4);
      await untilShed('busy', 'tenant-share');
      for (const socket of sockets) socket.destroy();
      await until(async () => (await encrypt('busy')).status === 200, 'there is room');
    }
  });
});

describe('bytes of concurrent bodies', () => {
  const large = { plaintext: 'a'.repeat(LARGE - 100) };

  test('count as they arrive: slow uploads of any declared size take no room from others', async () => {
    for (const tenant of ['busy', 'fabrikam', 'large']) await hold(tenant, 2, LARGE);
    expect((await service.post('/tenants/contoso/encrypt', large)).status).toBe(200);
    expect((await encrypt('contoso')).status).toBe(200);
  });

  test('of slow bodies use at most half of the memory, shared fairly; others find the other half', async () => {
    await hold('large', 1, LARGE, service.token(), LARGE - 1);
    await hold('fabrikam', 1, LARGE, service.token(), LARGE - 1);
    const [refusal] = await Promise.race(sockets.map((socket) => once(socket, 'data'))); // after a second, one of them
    expect(String(refusal)).toContain('"reason":"bytes"');
    expect((await encrypt('contoso')).status).toBe(200);
    expect((await service.post('/tenants/contoso/encrypt', large)).status).toBe(200);
  });

  test('of one tenant use only its share of that half', async () => {
    const sent = 1_000_000;
    await hold('large', 2, LARGE, service.token(), sent);
    const [refusal] = await Promise.race(sockets.map((socket) => once(socket, 'data')));
    expect(String(refusal)).toContain('"reason":"tenant-share"');
    expect((await service.post('/tenants/busy/encrypt', large)).status).toBe(200);
  });

  test('are released with the answer, although the rest of the body is still drained', async () => {
    await hold('busy', 4, 100, 'no token');
    await hold('fabrikam', 4, 100, 'no token');
    await Promise.all(sockets.map((socket) => once(socket, 'data')));
    expect((await get('/nowhere')).status).toBe(404);
    expect((await encrypt('contoso')).status).toBe(200);
  });
});

test('a caller over its rate gets a Retry-After, and others are not affected', async () => {
  const http = { port: 0, drainSeconds: 0, callerRequestsPerSecond: 0.1, callerBurst: 3 };
  await using limited = await startSecondProcess(service, { http, metrics: { enabled: true, port: 0 } });
  const other = await service.emulator.issueCallerToken({ claims: { azp: 'another-service' } });
  const post = (token?: string) => limited.post('/tenants/contoso/encrypt', { plaintext }, token);
  const statuses: number[] = [];
  service.clock.stop(); // the caller's budget grows with the time
  for (let time = 0; time < 5; time += 1) statuses.push((await post()).status);
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  const refused = await post();
  expect(refused.body).toMatchObject({ code: 'caller-throttled', retryAfter: 10 });
  expect(refused.headers['retry-after']).toBe('10');
  expect((await post(other)).status).toBe(200);
  service.clock.advance(10);
  expect([(await post()).status, (await post()).status]).toEqual([200, 429]);
  // A batch counts as many calls as it has items: two are left of the other caller's three.
  const items = Array.from({ length: 3 }, () => ({ plaintext }));
  const batch = () => limited.post('/tenants/contoso/batch/encrypt', { items }, other);
  expect([(await batch()).status, (await batch()).status, (await post(other)).status]).toEqual([200, 429, 429]);
  expect(await counted('requests_shed_total{reason="caller-rate"}', limited.metricsUrl)).toBe(6);
});

test('shed requests are counted in the audit, with one record for many', async () => {
  await service.stop();
  const records = await service.auditRecords();
  const ofCode = (code: string) => records.filter((record) => record['code'] === code);
  const overloaded = ofCode('overloaded').map(({ reason, principal }) => [reason, principal !== undefined]);
  expect(overloaded).toEqual(
    expect.arrayContaining([
      ['requests', false],
      ['tenant-share', false],
      ['tenant-share', true],
      ['bytes', true],
    ]),
  );
  const refused = ofCode('overloaded').reduce((sum, { count = 1 }) => sum + Number(count), 0);
  expect(overloaded.length).toBeLessThan(refused / 2); // a record for each reason in 10 s
  const throttled = ofCode('caller-throttled');
  expect(throttled.reduce((sum, { count = 1 }) => sum + Number(count), 0)).toBe(6);
  expect(throttled.map(({ principal }) => principal)).toEqual(throttled.map(() => expect.stringContaining('#')));
  expect(service.logLines.filter((line) => line.includes('"code":"overloaded"'))).toEqual([]);
});
