import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { scrape } from '../support/scrape.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    config: { metrics: { enabled: true, port: 0, tenantLabels: true, maxTenants: 1 } },
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('a message').toString('base64');
const post = (path: string, body: unknown, token?: string) => service.post(`/tenants/${path}`, body, token);

/** Returns the increase of each series during `work`, without unchanged ones. */
async function growth(work: () => Promise<unknown>): Promise<ReadonlyMap<string, number>> {
  const before = await scrape(service.metricsUrl);
  await work();
  const after = await scrape(service.metricsUrl);
  const grown = [...after].map(([series, value]) => [series, value - (before.get(series) ?? 0)] as const);
  return new Map(grown.filter(([, by]) => by !== 0));
}

describe('metrics', () => {
  test('of a cold and a warm encrypt count the requests, the vault calls, the sign-in, and the data key', async () => {
    const grown = await growth(async () => {
      for (let i = 0; i < 2; i += 1) await post('contoso/encrypt', { plaintext }).expect(200);
    });
    expect(Object.fromEntries(grown)).toMatchObject({
      'vaultspan_requests_total{operation="encrypt",status="2xx",code="none"}': 2,
      'vaultspan_request_duration_seconds_count{operation="encrypt"}': 2,
      'vaultspan_request_duration_seconds_bucket{le="+Inf",operation="encrypt"}': 2,
      'vaultspan_vault_calls_total{operation="read",outcome="ok"}': 1,
      'vaultspan_vault_calls_total{operation="wrap",outcome="ok"}': 1,
      'vaultspan_vault_calls_total{operation="unwrap",outcome="ok"}': 1,
      'vaultspan_vault_call_duration_seconds_count{operation="wrap"}': 1,
      'vaultspan_token_requests_total{outcome="ok"}': 1,
      'vaultspan_data_key_requests_total{result="sealing-wait"}': 1,
      'vaultspan_data_key_requests_total{result="sealing-hit"}': 1,
      vaultspan_data_keys_minted_total: 1,
      'vaultspan_data_keys_held{use="sealing"}': 1,
      vaultspan_tenants_active: 1,
      'vaultspan_key_uses_total{use="sealed"}': 2,
      vaultspan_audit_records_total: 2,
    });
  });

  test('of a decrypt count whether the data key was in memory', async () => {
    const { ciphertext } = (await post('contoso/encrypt', { plaintext })).body;
    const grown = await growth(() => post('contoso/decrypt', { ciphertext }).expect(200));
    expect(grown.get('vaultspan_data_key_requests_total{result="opening-hit"}')).toBe(1);
    expect(grown.get('vaultspan_key_uses_total{use="opened"}')).toBe(1);
    expect(grown.get('vaultspan_data_key_requests_total{result="opening-unwrap"}')).toBeUndefined();
  });

  test('of refusals have the status class and the code, even without a known route or caller', async () => {
    const grown = await growth(async () => {
      await post('contoso/encrypt', { plaintext: 1 }).expect(400);
      await post('contoso/encrypt', { plaintext }, '').expect(401);
      await post('nobody/encrypt', { plaintext }).expect(404);
      await service.request().get('/nowhere').expect(404);
    });
    expect(Object.fromEntries(grown)).toMatchObject({
      'vaultspan_requests_total{operation="encrypt",status="4xx",code="malformed-request"}': 1,
      'vaultspan_requests_total{operation="encrypt",status="4xx",code="unauthenticated"}': 1,
      'vaultspan_requests_total{operation="encrypt",status="4xx",code="tenant-not-found"}': 1,
      'vaultspan_requests_total{operation="none",status="4xx",code="route-not-found"}': 1,
    });
  });

  test('distinguish a revocation from an outage, by the outcome of the vault call', async () => {
    const { control } = service.emulator;
    await post('fabrikam/encrypt', { plaintext }).expect(200);
    await control.injectFault({ at: 'fabrikam', kind: 'status', status: 503 });
    service.clock.advance(400);
    const outage = await growth(() => post('fabrikam/encrypt', { plaintext }).expect(503));
    expect(outage.get('vaultspan_vault_calls_total{operation="unwrap",outcome="unavailable"}')).toBe(1);
    expect([...outage.keys()].filter((series) => series.startsWith('vaultspan_access_refusals_total'))).toEqual([]);

    await control.clearFaults();
    await control.injectFault({ at: 'fabrikam', kind: 'status', status: 403 });
    const refusal = await growth(() => post('fabrikam/encrypt', { plaintext }).expect(403));
    expect(refusal.get('vaultspan_vault_calls_total{operation="unwrap",outcome="refused"}')).toBe(1);
    expect(refusal.get('vaultspan_access_refusals_total{reason="forbidden"}')).toBe(1);
    await control.clearFaults();
  });

  test('count a vault that was not called for lack of a sign-in, with the reason', async () => {
    await service.emulator.control.injectFault({ at: 'entra', operation: 'token', kind: 'reset' });
    const grown = await growth(() => post('northwind/encrypt', { plaintext }));
    await service.emulator.control.clearFaults();
    expect(grown.get('vaultspan_vault_calls_total{operation="read",outcome="no-token"}')).toBe(1);
    expect(grown.get('vaultspan_token_requests_total{outcome="unavailable"}')).toBeGreaterThan(0);
  });

  test('have no more tenants as labels than allowed, and no invented ones', async () => {
    await post('contoso/encrypt', { plaintext });
    const series = [...(await scrape(service.metricsUrl)).keys()];
    const tenants = series.flatMap(
      (name) => /^vaultspan_tenant_requests_total\{tenant="([^"]+)"/.exec(name)?.[1] ?? [],
    );
    expect([...new Set(tenants)].sort()).toEqual(['_other', 'contoso']);
  });

  test("report the age of the registry, the expiry of the app's credential, and the version", async () => {
    const values = await scrape(service.metricsUrl);
    expect(values.get('vaultspan_registry_staleness_seconds')).toBeGreaterThanOrEqual(0);
    expect(values.get('vaultspan_requests_in_flight')).toBe(0);
    expect(values.get('vaultspan_audit_lag_seconds')).toBe(0);
    expect([...values.keys()].some((name) => name.startsWith('vaultspan_build_info{version="'))).toBe(true);
    expect(values.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    // Here audit records stay in files, and the service does not terminate TLS.
    const absent = [...values.keys()].filter((name) => /^vaultspan_(audit_spool|certificate)/.test(name));
    expect(absent).toEqual([]);
    const expiry = values.get('vaultspan_home_credential_expiry_timestamp_seconds') ?? 0;
    expect(expiry).toBeGreaterThan(service.clock.wallMs() / 1_000);
  });
});

describe('the listener of the metrics', () => {
  test('answers only GET /metrics', async () => {
    const { origin } = new URL(service.metricsUrl);
    const statusOf = async (path: string, method: string) => (await fetch(`${origin}${path}`, { method })).status;
    expect(await statusOf('/metrics', 'GET')).toBe(200);
    for (const method of ['HEAD', 'POST', 'DELETE']) expect(await statusOf('/metrics', method)).toBe(405);
    for (const path of ['/', '/metrics/', '/healthz']) expect(await statusOf(path, 'GET')).toBe(404);
  });

  test('is not that of the API', async () => {
    await service.request().get('/metrics').expect(404);
  });

  test('whose address is in use prevents the service from starting, and the error names the setting', async () => {
    const { port } = new URL(service.metricsUrl);
    const second = startService({ config: { metrics: { enabled: true, port: Number(port) } } });
    await expect(second).rejects.toThrow(/metrics\.port: .*is in use/);
  });
});
