import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newSecretKey } from '../../../src/azure/home/home-keys.ts';
import { startService, type TestService } from '../../support/start-service.ts';

const ORIGIN = 'https://keys.vendor.example';
const SCRIPT = `<script>alert("x")</script>'${'y'.repeat(160)}`;
const LINES = 'application/x-ndjson';

let service: TestService;
let page: string;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    homeSecrets: { 'vaultspan-link-key': newSecretKey() },
    config: {
      onboarding: {
        url: ORIGIN,
        vendorName: SCRIPT,
        vendorContact: 'help@vendor.example',
        egressAddresses: ['203.0.113.7', '2001:db8::/48'],
      },
    },
    tenant: (record) => ({ ...record, displayName: SCRIPT }),
  });
  page = await linkOf('northwind', { allow: ['records', 'branch-keys'] });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns the path of a new link. */
async function linkOf(tenantId: string, body: object = {}): Promise<string> {
  const { body: issued } = await service.post(`/tenants/${tenantId}/onboarding-links`, body);
  return issued.url.slice(ORIGIN.length);
}

const get = (path: string) => service.request().get(path);
const post = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  service.request().post(path).set(headers);
const recordsOf = async (name: string) => (await service.auditRecords()).filter(({ operation }) => operation === name);
const control = () => service.emulator.control;

/** Puts northwind back to where it added the app and granted nothing. */
async function takeRole(): Promise<void> {
  await control().removeRole({ vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' });
}

describe('the page', () => {
  test('shows the real ids, the vendor and the five steps, and records its use', async () => {
    const { status, text } = await get(page);
    expect(status).toBe(200);
    const { appId, customers } = service.emulator;
    const northwind = customers.find(({ name }) => name === 'northwind');
    for (const part of [appId, northwind?.tenantId ?? '', '203.0.113.7', '2001:db8::/48', 'help@vendor.example'])
      expect(text).toContain(part);
    for (const id of ['who', 'app', 'grant', 'check', 'keep']) expect(text).toContain(`<h2 id="${id}">`);
    expect(text).toContain('Cloud Application Administrator');
    expect((await recordsOf('tenant-onboarding')).at(-1)).toMatchObject({
      principal: expect.stringMatching(/^link:[\w-]{22}$/),
      tenantId: 'northwind',
    });
    const { body } = await get('/tenants/northwind/onboarding-links').set('Authorization', `Bearer ${service.token()}`);
    expect(body.links[0]).toHaveProperty('usedAt');
  });

  test('begins with the vendor, the customer and a link to what it is', async () => {
    const bar = /<header class="top">(.*?)<\/header>/s.exec((await get(page)).text)?.[1] ?? '';
    expect(bar.match(/&lt;script&gt;/g)).toHaveLength(2);
    expect(bar).toContain(`<a href="${page}#about">About this page</a>`);
    expect((await get(page)).text).toContain('<h1 id="about">');
  });

  test('of a link that does not open names the vendor alone', async () => {
    const { text } = await get(`/onboarding/${'A'.repeat(65)}`);
    expect(/<header class="top">(.*?)<\/header>/s.exec(text)?.[1]).not.toMatch(/class="vendor"|<a /);
  });

  test('escapes names: nobody writes into it', async () => {
    const { text } = await get(page);
    expect(text).not.toContain('<script>alert');
    expect(text).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;y');
  });

  test('is not stored, framed or named to other sites, and has nothing inline', async () => {
    const { headers, text } = await get(page);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    const csp = headers['content-security-policy'] ?? '';
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "form-action 'self'",
    ])
      expect(csp).toContain(part);
    expect(csp).not.toContain('unsafe');
    expect(text).not.toMatch(/<script(?! src="\/onboarding\/page\.js")|<style|\son\w+=|\sstyle=/);
  });

  test.each(['portal', 'az', 'bicep', 'terraform', 'json'])(
    'gives the file for %s with the real ids',
    async (format) => {
      const { status, text, headers } = await get(`${page}/files/${format}`);
      expect(status).toBe(200);
      expect(headers['content-disposition']).toMatch(/^attachment; filename="vaultspan-northwind\.\w+"$/);
      expect(text).toContain(service.emulator.appId);
      const api = await get(`/tenants/northwind/onboarding/files/${format}`).set(
        'Authorization',
        `Bearer ${service.token()}`,
      );
      expect(api.text).toBe(text);
    },
  );
});

describe('a link that does not open', () => {
  const refused = async (path: string) => {
    const { status, text } = await get(path);
    return { status, text };
  };

  test('gets one and the same page, whatever the reason', async () => {
    const revoked = await linkOf('contoso');
    const { body } = await get('/tenants/contoso/onboarding-links').set('Authorization', `Bearer ${service.token()}`);
    await service
      .request()
      .delete(`/tenants/contoso/onboarding-links/${body.links[0].id}`)
      .set('Authorization', `Bearer ${service.token()}`);
    const expired = await linkOf('contoso', { expiresInSeconds: 60 });
    const other = await linkOf('contoso');
    service.clock.advance(61);
    const altered = `${page.slice(0, -2)}${page.endsWith('AA') ? 'BB' : 'AA'}`;
    const mixed = `${page.slice(0, -43)}${other.slice(-43)}`;
    const expected = await refused(`/onboarding/${'A'.repeat(65)}`);
    expect(expected).toMatchObject({ status: 404, text: expect.stringContaining('This link does not open') });
    const paths = [revoked, expired, altered, mixed, '/onboarding/x', '/onboarding/__proto__', `${page}/nowhere`];
    for (const path of paths) expect(await refused(path)).toEqual(expected);
  });

  test.each(['tenant_id', 'allow', 'expires_at'])('is one whose %s was changed in the database', async (column) => {
    const changed = await linkOf('contoso');
    const { DatabaseSync } = await import('node:sqlite');
    using database = new DatabaseSync(`${service.folder}/vaultspan.db`);
    database.exec('pragma busy_timeout = 5000');
    const value = column === 'expires_at' ? 9_999_999_999_999 : column === 'allow' ? 'records' : 'fabrikam';
    expect((await get(changed)).status).toBe(200);
    database.prepare(`update onboarding_links set ${column} = ? where id = ?`).run(value, changed.slice(12, 34));
    expect((await get(changed)).status).toBe(404);
  });

  test('of a permission that it lacks is refused alike', async () => {
    const bare = await linkOf('northwind');
    const expected = await refused(`/onboarding/${'A'.repeat(65)}`);
    for (const name of ['records', 'checkpoint', 'proof?sequence=0', 'branch-keys'])
      expect(await refused(`${bare}/${name}`)).toEqual(expected);
  });

  test('opens no call on data', async () => {
    const { body } = await service.post('/tenants/northwind/encrypt', { plaintext: 'aGk=' }, page.slice(12));
    expect(body).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('posts', () => {
  test.each([
    ['another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a sibling site', { 'Sec-Fetch-Site': 'same-site' }],
    ['an old browser on another site', { Origin: 'https://evil.example' }],
    ['a page without an origin', { Origin: 'null' }],
  ])('from %s are refused', async (_what, headers) => {
    expect((await post(`${page}/bell`, headers)).status).toBe(404);
  });

  test.each([
    ['the page itself', { 'Sec-Fetch-Site': 'same-origin', Origin: 'null' }],
    ['an old browser on the page', { Origin: ORIGIN }],
    ['a program', {}],
  ])('from %s are taken', async (_what, headers) => {
    expect((await post(`${page}/bell`, headers)).status).toBe(200);
  });
});

describe('the check', () => {
  const lines = async (path: string) => {
    const { text } = await post(`${path}/check`, { Accept: LINES });
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { step?: string; result?: string });
  };

  test('says step by step what is missing, who does it and how; then it is green', async () => {
    const before = await lines(page);
    expect(before.map(({ step = '' }) => /class="(\w+)"/.exec(step)?.[1])).toContain('failed');
    expect(before.map(({ step }) => step).join('')).toContain('The app has no role on the key');
    expect(before.at(-1)?.result).toContain('Not everything works yet');
    await control().grantRole({ vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' });
    const after = await lines(page);
    expect(after.slice(0, -1).every(({ step = '' }) => step.startsWith('<li class="passed"'))).toBe(true);
    expect(after.at(-1)?.result).toContain('Everything works');
    expect((await recordsOf('tenant-check')).at(-1)).toMatchObject({ principal: expect.stringMatching(/^link:/) });
    await takeRole();
  });

  test('works as a form, without the script', async () => {
    const { status, text } = await post(`${page}/check`, { Accept: 'text/html' });
    expect(status).toBe(200);
    expect(text).toContain('<li class="failed">');
  });

  test('explains steps out of order: the app is not there yet', async () => {
    const steps = await lines(await linkOf('adatum'));
    expect(steps.map(({ step }) => step).join('')).toContain('The app is not in your directory yet');
  });

  test('is limited by link', async () => {
    const busy = await linkOf('fabrikam');
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) statuses.push((await post(`${busy}/bell`)).status);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect((await get(busy)).status).toBe(200);
  });
});

describe('the rest of step 5', () => {
  test('the bell makes the next use ask the vault, and is recorded', async () => {
    const contoso = await linkOf('contoso');
    const encrypt = () => service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' });
    expect((await encrypt()).status).toBe(200);
    const before = service.vaultCalls('contoso').length;
    expect((await encrypt()).status).toBe(200);
    expect(service.vaultCalls('contoso').length).toBe(before);
    expect((await post(`${contoso}/bell`)).text).toContain('The bell rang');
    expect((await encrypt()).status).toBe(200);
    expect(service.vaultCalls('contoso').length).toBeGreaterThan(before);
    expect((await recordsOf('doorbell')).at(-1)).toMatchObject({
      tenantId: 'contoso',
      principal: expect.stringMatching(/^link:/),
    });
  });

  test('the page has the revoke script and the subscription by which the vault rings', async () => {
    const { text } = await get(await linkOf('contoso'));
    expect(text).toContain('set DOORBELL to the address from your vendor');
    expect(text).toContain('Microsoft.KeyVault.VaultAccessPolicyChanged');
    expect(text).toMatch(/list-versions .*--name data .*--enabled false/);
  });

  test('a drill starts, is followed and is cancelled', async () => {
    const contoso = await linkOf('contoso');
    const started = await post(`${contoso}/drill`);
    const at = started.headers['location'] ?? '';
    expect([started.status, at.startsWith(`${contoso}/drill/`)]).toEqual([303, true]);
    expect((await get(at)).text).toContain(`data-drill="${at}" data-over="no"`);
    expect((await post(`${contoso}/drill`)).status).toBe(409);
    expect((await post(`${at}/cancel`)).status).toBe(303);
    expect((await get(at)).text).toContain('data-over="yes"');
    expect((await get(at.replace(contoso, await linkOf('fabrikam')))).status).toBe(404);
  });

  test('records are those of the tenant alone', async () => {
    const { text, headers } = await get(`${page}/records`);
    expect(headers['content-disposition']).toContain('vaultspan-northwind-records.ndjson');
    const records = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { tenantId?: string });
    expect(records.length).toBeGreaterThan(3);
    expect(new Set(records.map(({ tenantId }) => tenantId))).toEqual(new Set(['northwind']));
  });

  test('branch keys are exported, here none', async () => {
    const { status, text } = await get(`${page}/branch-keys`);
    expect([status, text]).toEqual([200, '']);
    expect((await recordsOf('branch-keys-export')).at(-1)).toMatchObject({ tenantId: 'northwind' });
  });
});

describe('the answer of the sign-in page', () => {
  const stateOf = async () => {
    const { text } = await get(page);
    const [, href = ''] = /href="([^"]+adminconsent[^"]+)"/.exec(text) ?? [];
    return new URL(href.replaceAll('&amp;', '&'));
  };
  const callback = async (query: Readonly<Record<string, string>>) => {
    const url = await stateOf();
    const state = url.searchParams.get('state') ?? '';
    return get(`/onboarding/consent?${new URLSearchParams({ state, ...query }).toString()}`);
  };
  const directoryOf = (name: string) =>
    service.emulator.customers.find((customer) => customer.name === name)?.tenantId ?? '';

  test('is asked of the right directory, with the least scope and our own address', async () => {
    const url = await stateOf();
    expect(url.pathname).toBe(`/${directoryOf('northwind')}/v2.0/adminconsent`);
    expect(url.searchParams.get('scope')).toBe('openid');
    expect(url.searchParams.get('redirect_uri')).toBe(`${ORIGIN}/onboarding/consent`);
    expect(url.href).not.toContain(page.slice(-43));
  });

  test.each([
    ['added', { admin_consent: 'True' }, 'The app was added'],
    ['declined', { error: 'access_denied', error_description: 'AADSTS65004: User declined' }, 'Nothing was added'],
    [
      'cancelled',
      { error: 'permission_denied', error_description: 'The admin canceled the request' },
      'Nothing was added',
    ],
    [
      'not allowed',
      { error: 'access_denied', error_description: 'AADSTS90094: admin' },
      'Your account may not add apps',
    ],
    [
      'wrong account',
      { error: 'invalid_request', error_description: 'AADSTS50020: guest' },
      'That was another directory',
    ],
    [
      'wrong address',
      { error: 'invalid_request', error_description: 'AADSTS50011: uri' },
      'The vendor has to fix this',
    ],
    ['unknown', { error: '<script>', error_description: '<script>alert(1)</script>' }, 'Microsoft did not add the app'],
  ] as readonly (readonly [string, Readonly<Record<string, string>>, string])[])(
    'is explained: %s',
    async (_what, query, title) => {
      const { status, text } = await callback({ tenant: directoryOf('northwind'), ...query });
      expect([status, text.includes(`<h1>${title}</h1>`)]).toEqual([200, true]);
      expect(text).not.toContain('<script>alert');
      expect(text).not.toContain(page.slice(-43));
    },
  );

  test('names a directory that is not the one of the record', async () => {
    const { text } = await callback({ admin_consent: 'True', tenant: directoryOf('contoso') });
    expect(text).toContain('That was another directory');
    expect((await recordsOf('onboarding-consent')).at(-1)).toMatchObject({
      outcome: 'refused',
      reason: 'wrong-directory',
    });
  });

  test.each([
    ['none', ''],
    ['an altered one', 'A'.repeat(22)],
    ['an address', 'https://evil.example'],
  ])('with %s as its state says nothing', async (_what, state) => {
    const answer = await callback({ admin_consent: 'True', tenant: directoryOf('northwind'), state });
    expect(answer.text).toContain('This page cannot tell what happened');
    expect(answer.headers['location']).toBeUndefined();
  });

  test('says nothing with a state that is a day old', async () => {
    const url = await stateOf();
    service.clock.advance(86_401);
    const { text } = await get(
      `/onboarding/consent?${new URLSearchParams({ state: url.searchParams.get('state') ?? '' }).toString()}`,
    );
    expect(text).toContain('This page cannot tell what happened');
  });
});

test('guesses are limited, and leave few records', async () => {
  service.clock.stop(); // the budget of guesses grows with the time
  const guesses = await Promise.all(
    Array.from({ length: 150 }, async () => (await get(`/onboarding/${'B'.repeat(65)}`)).status),
  );
  expect(new Set(guesses)).toEqual(new Set([404, 429]));
  expect(service.logLines.join('')).not.toContain(page.slice(-43));
  await service.stop();
  expect((await recordsOf('onboarding-page')).length).toBeLessThan(10);
});
