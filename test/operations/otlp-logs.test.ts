import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { attributesOf, type OtlpReceiver, type ReceivedLog, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { scrape } from '../support/scrape.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const TOKEN = 'collector-token-a7f3';

let service: TestService;
let receiver: OtlpReceiver;
beforeAll(async () => {
  receiver = await startOtlpReceiver();
  service = await startService({
    inDatabase: true,
    homeSecrets: { 'collector-token': `Bearer ${TOKEN}` },
    config: {
      audit: { database: true },
      siem: { otlpEndpoint: receiver.url, otlpAuthorizationSecret: 'collector-token' },
      metrics: { enabled: true, port: 0 },
      rounds: { enabled: false },
    },
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const encrypt = (tenant: string) =>
  service.post(`/tenants/${tenant}/encrypt`, {
    plaintext: 'c2VjcmV0IHRleHQ=',
    encryptionContext: { purpose: 'secret-context' },
  });
const of = (log: ReceivedLog) => attributesOf(log);
const received = (tenant: string) => receiver.logs.filter((log) => of(log)['vaultspan.tenant'] === tenant);

test('the records of all tenants arrive, with the token of the home vault, and nothing secret', async () => {
  const tokens: (string | undefined)[] = [];
  receiver.answerLogs = ({ authorization }) => {
    tokens.push(authorization);
    return { status: 200 };
  };
  await encrypt('contoso').expect(200);
  await encrypt('fabrikam').expect(200);
  await service.post('/tenants/contoso/decrypt', { ciphertext: 'nonsense' }).expect(400);
  await until(() => received('contoso').length >= 2 && received('fabrikam').length >= 1, 'the records');
  expect(received('contoso').map((log) => of(log)['vaultspan.code'])).toEqual([undefined, 'malformed-ciphertext']);
  expect(new Set(tokens)).toEqual(new Set([`Bearer ${TOKEN}`]));
  const all = JSON.stringify(receiver.logs);
  for (const secret of ['c2VjcmV0IHRleHQ', 'secret-context', TOKEN]) expect(all).not.toContain(secret);
  expect(service.logLines.join('')).not.toContain(TOKEN);
});

test('while the collector is away, requests are answered, records wait, and metrics and log say so', async () => {
  receiver.answerLogs = () => ({ status: 503 });
  const before = receiver.logCalls;
  await encrypt('contoso').expect(200);
  await until(() => receiver.logCalls > before, 'a refused call');
  await until(() => service.logLines.join('').includes('the collector accepts no audit records'), 'the log');
  const count = received('contoso').length;
  const metrics = await scrape(service.metricsUrl);
  expect(metrics.get('vaultspan_otlp_log_failures_total')).toBeGreaterThan(0);
  expect(metrics.get('vaultspan_otlp_log_lag_seconds')).toBeGreaterThanOrEqual(0);
  receiver.answerLogs = () => ({ status: 200 });
  service.clock.advance(60);
  await until(() => received('contoso').length > count, 'the record that waited');
  expect((await scrape(service.metricsUrl)).get('vaultspan_otlp_log_records_total')).toBeGreaterThanOrEqual(4);
});
