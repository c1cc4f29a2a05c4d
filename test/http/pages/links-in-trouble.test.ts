import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import supertest from 'supertest';
import { newSecretKey } from '../../../src/azure/home/home-keys.ts';
import { startService as composeService } from '../../../src/compose/service.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { startService, type TestService } from '../../support/start-service.ts';

const ORIGIN = 'https://keys.vendor.example';
const ROLE = { vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' };
const LINES = 'application/x-ndjson';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    homeSecrets: { 'vaultspan-link-key': newSecretKey() },
    config: { onboarding: { url: ORIGIN, vendorName: 'Vendor', vendorContact: 'help@vendor.example' } },
    tenant: withAnotherDirectory(),
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns a change of records after which fabrikam's has contoso's directory beside fabrikam's vault. */
function withAnotherDirectory(): (record: Record<string, unknown>) => Record<string, unknown> {
  const directories = new Map<unknown, unknown>();
  return (record) => {
    directories.set(record['id'], record['entraTenantId']);
    return record['id'] === 'fabrikam' ? { ...record, entraTenantId: directories.get('contoso') } : record;
  };
}

async function issue(tenantId: string): Promise<{ readonly id: string; readonly path: string }> {
  const { body } = await service.post(`/tenants/${tenantId}/onboarding-links`, {});
  return { id: body.id, path: body.url.slice(ORIGIN.length) };
}

const revoke = ({ id }: { readonly id: string }) =>
  service
    .request()
    .delete(`/tenants/northwind/onboarding-links/${id}`)
    .set('Authorization', `Bearer ${service.token()}`);
const get = (path: string) => service.request().get(path);
const check = (path: string) => service.request().post(`${path}/check`).set('Accept', LINES);
const directoryOf = (name: string) =>
  service.emulator.customers.find((customer) => customer.name === name)?.tenantId ?? '';

/** Returns the state of the consent link on a page. */
function stateIn(page: string): string {
  const [, href = ''] = /href="([^"]+adminconsent[^"]+)"/.exec(page) ?? [];
  return new URL(href.replaceAll('&amp;', '&')).searchParams.get('state') ?? '';
}

const consent = (state: string, more: Readonly<Record<string, string>> = {}) =>
  get(
    `/onboarding/consent?${new URLSearchParams({ state, admin_consent: 'True', tenant: directoryOf('northwind'), ...more }).toString()}`,
  );

describe('two administrators of one link at the same time', () => {
  test('open it, add the app and check: both see everything', async () => {
    const { path } = await issue('northwind');
    await service.emulator.control.grantRole(ROLE);
    const pages = await Promise.all([get(path), get(path)]);
    expect(pages.map(({ status }) => status)).toEqual([200, 200]);
    const consents = await Promise.all(pages.map(({ text }) => consent(stateIn(text))));
    expect(consents.map(({ text }) => text.includes('<h1>The app was added</h1>'))).toEqual([true, true]);
    const checks = await Promise.all([check(path), check(path)]);
    for (const { status, text } of checks) {
      expect(status).toBe(200);
      expect(text.trim().split('\n').at(-1)).toContain('Everything works');
    }
    await service.emulator.control.removeRole(ROLE);
  });

  test('one takes the role back while the other checks: the next check of both says so', async () => {
    const { path } = await issue('northwind');
    await service.emulator.control.grantRole(ROLE);
    const [running] = await Promise.all([check(path), service.emulator.control.removeRole(ROLE)]);
    expect(running.text.trim().split('\n').at(-1)).toContain('"result"');
    const after = await Promise.all([check(path), check(path)]);
    for (const { text } of after) expect(text).toContain('The app has no role on the key');
  });

  test('the link is revoked while one checks: that check ends, and nothing else opens for either', async () => {
    const link = await issue('northwind');
    const state = stateIn((await get(link.path)).text);
    const [running, revoked] = await Promise.all([check(link.path), revoke(link)]);
    expect(revoked.status).toBe(204);
    expect([200, 404]).toContain(running.status);
    if (running.status === 200) expect(running.text).toContain('"result"');
    const refused = await Promise.all([
      get(link.path),
      check(link.path),
      service.request().post(`${link.path}/bell`),
      service.request().post(`${link.path}/drill`),
      get(`${link.path}/files/az`),
    ]);
    expect(refused.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
    expect((await consent(state)).text).toContain('This page cannot tell what happened');
  });

  test('both revoke it: both succeed, and it does not open', async () => {
    const link = await issue('northwind');
    const statuses = (await Promise.all([revoke(link), revoke(link)])).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([204, 204]);
    expect((await get(link.path)).status).toBe(404);
  });
});

test("the record's vault is not in the record's directory: the check says so, and who corrects it", async () => {
  const { path } = await issue('fabrikam');
  const { text } = await check(path);
  expect(text).toContain('belongs to another directory than yours');
  expect(text).toContain('Not everything works yet');
});

test.each(['redirect_uri', 'next', 'returnUrl', 'state'])(
  'the answer of the sign-in page leads to no address in %s',
  async (name) => {
    const { path } = await issue('northwind');
    const answer = await consent(stateIn((await get(path)).text), { [name]: 'https://evil.example/' });
    expect(answer.status).toBe(200);
    expect(answer.headers['location']).toBeUndefined();
    expect(answer.headers['refresh']).toBeUndefined();
    expect(answer.text).not.toContain('evil.example');
  },
);

test('no page that a link opens sends the link on, in a referrer or in an address of another site', async () => {
  const { path } = await issue('northwind');
  const secret = path.slice(-43);
  const answers = [await get(path), await service.request().post(`${path}/check`).set('Accept', 'text/html')];
  for (const { headers, text } of answers) {
    expect(headers['referrer-policy']).toBe('no-referrer');
    const elsewhere = [...text.matchAll(/(?:href|src|action)="(https?:[^"]*)"/g)].map(([, address]) => address);
    expect(elsewhere.length).toBeGreaterThan(0);
    expect(elsewhere.filter((address) => address?.includes(secret))).toEqual([]);
  }
});

test('a restart of the service under the page changes nothing: the same link, its check and an answer of Entra on its way', async () => {
  const { path } = await issue('northwind');
  const state = stateIn((await get(path)).text);
  await service.stop();
  const again = await composeService({ config: service.config, logger: silentLogger(), clock: service.clock });
  try {
    const agent = supertest(again.url);
    expect((await agent.get(path)).status).toBe(200);
    const query = new URLSearchParams({ state, admin_consent: 'True', tenant: directoryOf('northwind') });
    const answer = await agent.get(`/onboarding/consent?${query.toString()}`);
    expect(answer.text).toContain('<h1>The app was added</h1>');
    const { text } = await agent.post(`${path}/check`).set('Accept', LINES);
    expect(text).toContain('"result"');
  } finally {
    await again.stop();
  }
});
