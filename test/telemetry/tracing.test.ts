import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { attributesOf, type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { startService, type TestService } from '../support/start-service.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT_ID = '00f067aa0ba902b7';
const SAMPLED = `00-${TRACE_ID}-${PARENT_ID}-01`;
const UNSAMPLED = '00-11f92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
const SERVER = 2;
const plaintext = Buffer.from('a message').toString('base64');

let receiver: OtlpReceiver;
let service: TestService;
let traced: readonly ReceivedSpan[];

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  service = await startService({ config: { telemetry: { otlpEndpoint: receiver.url } } });
  const encrypt = (tenant: string, traceparent: string) =>
    service.post(`/tenants/${tenant}/encrypt`, { plaintext }).set('traceparent', traceparent);
  await encrypt('contoso', SAMPLED).set('tracestate', 'vendor=private').expect(200);
  await encrypt('fabrikam', UNSAMPLED).expect(200);
  await encrypt('nobody', SAMPLED).expect(404);
  await encrypt('contoso', 'not a context').expect(200);
  await service.stop(); // sends the remaining spans
  traced = receiver.spans.filter(({ traceId }) => traceId === TRACE_ID);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const named = (name: string): ReceivedSpan => {
  const span = traced.find((candidate) => candidate.name === name);
  if (!span) throw new Error(`no span ${name} among ${traced.map((one) => one.name).join(', ')}`);
  return span;
};

/** Returns whether `span` is somewhere below `above`. */
function isUnder(span: ReceivedSpan, above: ReceivedSpan): boolean {
  const parent = traced.find(({ spanId }) => spanId === span.parentSpanId);
  return parent !== undefined && (parent === above || isUnder(parent, above));
}

describe('the trace of a cold encrypt', () => {
  test("begins under the caller's span, and has the operation and its result", () => {
    const [server, refused] = traced.filter(({ kind }) => kind === SERVER);
    expect([server?.name, server?.parentSpanId, refused?.parentSpanId]).toEqual(['encrypt', PARENT_ID, PARENT_ID]);
    expect(server && attributesOf(server)).toEqual({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'vaultspan.request_id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(refused && attributesOf(refused)).toMatchObject({ 'error.type': 'tenant-not-found' });
  });

  test("contains the SDK's spans of the sign-in, the read, the wrap and the unwrap, each with its HTTP requests", () => {
    const server = named('encrypt');
    for (const name of ['ClientSecretCredential.getToken', 'KeyClient.getKey']) {
      expect(isUnder(named(name), server)).toBe(true);
    }
    const names = traced.map(({ name }) => name);
    expect(names.filter((name) => /wrapKey/i.test(name)).length).toBeGreaterThanOrEqual(2);
    const posts = traced.filter(({ name }) => name === 'HTTP POST');
    expect(posts.every((post) => isUnder(post, server))).toBe(true);
    expect(posts.map((post) => attributesOf(post)['http.status_code'])).toEqual(expect.arrayContaining([200]));
  });

  test("is passed to the vault, without the private state of the caller's tools", () => {
    const calls = service.emulator.control
      .requests()
      .filter(({ at, operation }) => at === 'contoso' && operation !== 'challenge');
    expect(calls.length).toBeGreaterThanOrEqual(3);
    const ids = new Set(traced.map(({ spanId }) => spanId));
    for (const { traceparent = '', tracestate } of calls) {
      const [, traceId, spanId = ''] = traceparent.split('-');
      expect([traceId, ids.has(spanId), tracestate]).toEqual([TRACE_ID, true, undefined]);
    }
  });

  test('says nothing about the customer', () => {
    for (const hint of [
      'contoso',
      'fabrikam',
      'vault.azure.net',
      ...service.emulator.customers.map((one) => one.tenantId),
    ]) {
      expect(receiver.text()).not.toContain(hint);
    }
  });
});

describe('a request', () => {
  test('that the caller does not sample is not traced', () => {
    expect(receiver.spans.filter(({ traceId }) => UNSAMPLED.includes(traceId))).toEqual([]);
    const calls = service.emulator.control.requests().filter(({ at }) => at === 'fabrikam');
    expect(calls.some(({ traceparent }) => traceparent !== undefined)).toBe(false);
  });

  test('with an invalid context begins a trace of its own', () => {
    const servers = receiver.spans.filter(({ kind, traceId }) => kind === SERVER && traceId !== TRACE_ID);
    expect(servers.map(({ name }) => name)).toEqual(['encrypt']);
    expect(servers[0]?.parentSpanId ?? '').toBe('');
  });
});

test('no code of OpenTelemetry or Prometheus is loaded if neither is configured', () => {
  const source = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ resolve: (name, context, next) => { const found = next(name, context); loaded.push(found.url); return found; } });
    const { openTelemetry } = await import('./src/compose/telemetry.ts');
    await import('./src/compose/service.ts');
    const config = { http: { processes: 1 }, metrics: { enabled: process.argv[1] === 'on', host: '127.0.0.1', port: 0 }, telemetry: {
      sampleRatio: 1, tenantIds: false, ...(process.argv[1] === 'on' && { otlpEndpoint: 'http://127.0.0.1:9' }) } };
    await (await openTelemetry(config, console)).close();
    console.log(loaded.filter((url) => /@opentelemetry|prom-client/.test(url)).length);
  `;
  const loadedWhen = (state: string) => {
    const args = ['--input-type=module', '-e', source, state];
    const { stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: join(import.meta.dirname, '..', '..'),
      encoding: 'utf8',
    });
    if (stderr !== '') throw new Error(stderr);
    return Number(stdout);
  };
  expect(loadedWhen('on')).toBeGreaterThan(10);
  expect(loadedWhen('off')).toBe(0);
});
