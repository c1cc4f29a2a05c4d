import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const NDJSON = 'application/x-ndjson';

/** Starts a check of contoso whose wrap waits for `release`, and returns the answer's lines as they come. */
async function startCheck(signal: AbortSignal | null = null) {
  const fault = { at: 'contoso', operation: 'wrapKey', kind: 'delay', delayMs: 600_000, times: 1 } as const;
  await service.emulator.control.injectFault(fault);
  const response = await fetch(`${service.url}/tenants/contoso/check`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${service.token()}`, Accept: NDJSON },
    signal,
  });
  return { response, lines: linesOf(response) };
}

const release = () => service.emulator.control.clearFaults();

const checks = async () =>
  (await service.auditRecords()).filter(({ operation }) => operation === 'tenant-check').length;

async function* linesOf({ body }: Response) {
  let rest = '';
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line);
  }
}

test('each step is a line as soon as it ends, and the whole check is the last', async () => {
  const { response, lines } = await startCheck();
  expect(response.headers.get('content-type')).toBe(NDJSON);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('vary')).toContain('Accept');
  const steps: unknown[] = [];
  let result: unknown;
  for await (const line of lines) {
    if (line.result) result = line.result;
    else steps.push(line.step);
    if (line.step?.name === 'key data') {
      expect(await checks()).toBe(0); // it is recorded before its end
      await release();
    }
  }
  expect(await checks()).toBe(1);
  expect(result).toMatchObject({ tenantId: 'contoso', state: 'passed', steps });
  expect(steps.length).toBeGreaterThan(5);
});

test('a check ends after its step when nobody waits for it, and is recorded', async () => {
  service.emulator.control.clearRequests();
  const leaving = new AbortController();
  const { lines } = await startCheck(leaving.signal);
  for await (const { step } of lines) if (step.name === 'key data') break;
  leaving.abort();
  await service.request().get('/healthz'); // a later request is answered: the service knows of the end
  await release();
  await until(async () => (await checks()) === 2, 'the check is recorded');
  const calls = service.vaultCalls('contoso');
  expect(calls).toContain('wrapKey');
  expect(calls).not.toContain('unwrapKey');
});

test('without lines, the answer is one object', async () => {
  const { headers, body } = await service.post('/tenants/contoso/check', '').expect(200);
  expect(headers['content-type']).toBe('application/json');
  expect(body).toMatchObject({ state: 'passed', steps: expect.any(Array) });
});

test('a refusal before the first step is a problem', async () => {
  const token = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'] });
  const { status, body } = await service.post('/tenants/contoso/check', '', token).set('Accept', NDJSON);
  expect([status, body.code]).toEqual([403, 'grant-missing']);
  expect((await service.post('/tenants/nobody/check', '').set('Accept', NDJSON)).status).toBe(404);
});
