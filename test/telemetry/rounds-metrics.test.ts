import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { scrape } from '../support/scrape.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ config: { metrics: { enabled: true, port: 0 }, rounds: { enabled: true } } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns the sum of the series of a name whose labels contain this text. */
async function sumOf(name: string, labels = ''): Promise<number> {
  const series = [...(await scrape(service.metricsUrl))].filter(
    ([key]) => key.startsWith(name) && key.includes(labels),
  );
  return series.reduce((sum, [, value]) => sum + value, 0);
}

test('rounds count each visit by its result, and each state as a change the first time', async () => {
  await until(async () => (await sumOf('vaultspan_visits_total')) === 4, 'four visits');
  expect(await sumOf('vaultspan_visits_total', '{result="passed",code="none"}')).toBe(2);
  expect(await sumOf('vaultspan_visits_total', '{result="failed",code="access-revoked"}')).toBe(2);
  expect(await sumOf('vaultspan_visits_total', '{result="error"')).toBe(0);
  expect(await sumOf('vaultspan_tenant_state_changes_total')).toBe(4);
  expect(await sumOf('vaultspan_last_visit_timestamp_seconds')).toBeGreaterThan(1_700_000_000);
  expect(await sumOf('vaultspan_visits_overdue')).toBe(0);
});

test("a credential of ours that Entra refuses is distinguished from a customer's refusal", async () => {
  const before = await sumOf('vaultspan_token_requests_total', 'outcome="home-rejected"');
  await service.emulator.control.removeAppSecret();
  await service.post('/tenants/fabrikam/encrypt', { plaintext: 'aGk=' }).expect(503);
  expect(await sumOf('vaultspan_token_requests_total', 'outcome="home-rejected"')).toBeGreaterThan(before);
  expect(await sumOf('vaultspan_vault_calls_total', '{operation="read",outcome="no-token"}')).toBeGreaterThan(0);
});
