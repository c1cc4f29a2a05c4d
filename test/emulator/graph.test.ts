import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import type { Emulator } from '../../src/emulator/emulator.ts';
import {
  appCredential,
  customerNamed,
  failureOf,
  fetchJson,
  type JsonReply,
  startTrusted,
  VAULT_SCOPE,
} from '../support/emulator-clients.ts';

const GRAPH_SCOPE = 'https://graph.microsoft.com/.default';
const EVENTUAL = { ConsistencyLevel: 'eventual' };

let emulator: Emulator;
let nowMs = Date.now();

beforeAll(async () => {
  emulator = await startTrusted({ now: () => nowMs });
});

afterEach(async () => {
  nowMs = Date.now();
  await emulator.control.clearFaults();
});
afterAll(() => emulator.close());

const tokenOf = async (customer: string, scope = GRAPH_SCOPE, from = emulator): Promise<string> =>
  (await (await appCredential(from, customer)).getToken(scope)).token;

const url = (path: string): string => `${emulator.authorityHost}/v1.0/${path}`;

async function get(
  path: string,
  options: { token?: string; headers?: Record<string, string> } = {},
): Promise<JsonReply> {
  const token = options.token ?? (await tokenOf('contoso'));
  return fetchJson(url(path), { headers: { authorization: `Bearer ${token}`, ...options.headers } });
}

const namesOf = ({ body }: JsonReply): unknown[] =>
  (body['value'] as { displayName: string }[]).map(({ displayName }) => displayName);

describe('consent', () => {
  test('a token has the permissions consented to in its tenant', async () => {
    const claims = decodeJwt(await tokenOf('contoso'));
    expect(claims).toMatchObject({
      aud: 'https://graph.microsoft.com',
      tid: customerNamed(emulator, 'contoso').tenantId,
      roles: ['Organization.Read.All', 'User.Read.All'],
    });
  });

  test('without any consent a token is issued without roles', async () => {
    const token = await tokenOf('fabrikam');
    expect(decodeJwt(token)).not.toHaveProperty('roles');
    expect(await get('organization', { token })).toMatchObject({
      status: 403,
      body: {
        error: {
          code: 'Authorization_RequestDenied',
          message: 'Insufficient privileges to complete the operation.',
          innerError: { 'request-id': expect.any(String) },
        },
      },
    });
  });

  test('a token for a vault has none of them', async () => {
    expect(decodeJwt(await tokenOf('contoso', VAULT_SCOPE))).not.toHaveProperty('roles');
  });

  test('a consent or its revocation affects only tokens issued later', async () => {
    const before = await tokenOf('northwind');
    await emulator.control.consentGraph({
      tenant: 'northwind',
      permissions: ['GroupMember.Read.All', 'User.Read.All'],
    });
    const during = await tokenOf('northwind');
    await emulator.control.revokeGraphConsent({ tenant: 'northwind', permissions: ['GroupMember.Read.All'] });
    const after = await tokenOf('northwind');
    await emulator.control.revokeGraphConsent({ tenant: 'northwind' });
    const statuses = [before, during, after, await tokenOf('northwind')].map(
      async (token) => (await get('groups', { token })).status,
    );
    expect(await Promise.all(statuses)).toEqual([403, 200, 403, 403]);
    expect(decodeJwt(after)).toMatchObject({ roles: ['User.Read.All'] });
  });

  test('consent is removed with the app', async () => {
    await emulator.control.consentGraph({ tenant: 'northwind', permissions: ['User.Read.All'] });
    await emulator.control.removeApp({ tenant: 'northwind' });
    await emulator.control.addApp({ tenant: 'northwind' });
    expect(decodeJwt(await tokenOf('northwind'))).not.toHaveProperty('roles');
  });

  test.each([
    [
      'a permission that is none',
      { tenant: 'contoso', permissions: ['Mail.Read'] },
      'There is no permission "Mail.Read"',
    ],
    ['a tenant without the app', { tenant: 'adatum', permissions: ['User.Read.All'] }, 'has not been added'],
  ])('%s is refused', async (_what, order, help) => {
    await expect(emulator.control.consentGraph(order)).rejects.toThrow(help);
    await expect(emulator.control.revokeGraphConsent(order)).rejects.toThrow(help);
  });

  test("Graph's address here names it as a resource too; another address does not", async () => {
    const token = await tokenOf('contoso', `${emulator.authorityHost}/.default`);
    expect((await get('organization', { token })).status).toBe(200);
    expect(await failureOf(tokenOf('contoso', 'https://localhost:1/.default'))).toMatchObject({ aadsts: 500011 });
  });
});

describe('the token check', () => {
  const refused = { status: 401, body: { error: { code: 'InvalidAuthenticationToken' } } };

  test('a missing and an invalid token are refused', async () => {
    expect(await fetchJson(url('users'))).toMatchObject(refused);
    expect(await get('users', { token: 'abc' })).toMatchObject(refused);
  });

  test('a token with another audience is refused', async () => {
    const reply = await get('users', { token: await tokenOf('contoso', VAULT_SCOPE) });
    expect(reply).toMatchObject(refused);
    expect(reply.body).toMatchObject({ error: { message: expect.stringContaining('Invalid audience') } });
  });

  test('an expired token is refused', async () => {
    const token = await tokenOf('contoso');
    nowMs += 66 * 60_000;
    expect(await get('users', { token })).toMatchObject(refused);
  });

  test('a token that Entra did not sign is refused', async () => {
    const [header, claims] = (await tokenOf('contoso')).split('.');
    expect(await get('users', { token: `${header}.${claims}.AAAA` })).toMatchObject(refused);
  });

  test("a token reads only its own tenant's directory", async () => {
    await emulator.control.consentGraph({ tenant: 'fabrikam', permissions: ['Directory.Read.All'] });
    const [own, other] = [await get('organization'), await get('organization', { token: await tokenOf('fabrikam') })];
    await emulator.control.revokeGraphConsent({ tenant: 'fabrikam' });
    expect(namesOf(own)).toEqual(['Contoso Ltd']);
    expect(namesOf(other)).toEqual(['fabrikam']);
  });
});

describe('reading', () => {
  test('returns the organisation, with its verified domains', async () => {
    const { status, body } = await get('organization');
    expect(status).toBe(200);
    expect(body['value']).toMatchObject([
      {
        id: customerNamed(emulator, 'contoso').tenantId,
        displayName: 'Contoso Ltd',
        verifiedDomains: [
          { name: 'contoso.onmicrosoft.com', isInitial: true, isDefault: false },
          { name: 'contoso.com', isInitial: false, isDefault: true },
        ],
      },
    ]);
  });

  test('returns users page by page, each of them once', async () => {
    const seen = new Set<string>();
    const sizes: number[] = [];
    for (let next: string | undefined = url('users?$top=99&$select=id'); next !== undefined; ) {
      const { body } = await fetchJson(next, { headers: { authorization: `Bearer ${await tokenOf('contoso')}` } });
      const value = body['value'] as { id: string }[];
      sizes.push(value.length);
      for (const user of value) {
        expect(Object.keys(user)).toEqual(['id']);
        seen.add(user.id);
      }
      next = body['@odata.nextLink'] as string | undefined;
    }
    expect(sizes).toEqual([99, 99, 52]);
    expect(seen.size).toBe(250);
  });

  test('returns 100 a page by default, and a count if the request accepts an eventual one', async () => {
    const reply = await get('users?$count=true', { headers: EVENTUAL });
    expect(reply.body).toMatchObject({
      '@odata.count': 250,
      '@odata.nextLink': expect.stringContaining('$skiptoken='),
    });
    expect(namesOf(reply)).toHaveLength(100);
    expect((await get('users?$count=true')).body).not.toHaveProperty(['@odata.count']);
    expect((await get('users', { headers: EVENTUAL })).body).not.toHaveProperty(['@odata.count']);
  });

  test('returns $count as a number in plain text, given ConsistencyLevel', async () => {
    const response = await fetch(url('users/$count'), {
      headers: { authorization: `Bearer ${await tokenOf('contoso')}`, ...EVENTUAL },
    });
    expect(response.headers.get('content-type')).toBe('text/plain');
    expect(await response.text()).toBe('250');
    expect(await get('users/$count')).toMatchObject({ status: 400, body: { error: { code: 'Request_BadRequest' } } });
  });

  test('requires a permission of their own for groups', async () => {
    expect((await get('groups/$count', { headers: EVENTUAL })).status).toBe(403);
    await emulator.control.consentGraph({ tenant: 'contoso', permissions: ['Group.Read.All'] });
    const [listed, counted] = [await get('groups'), await get('groups/$count', { headers: EVENTUAL })];
    await emulator.control.revokeGraphConsent({ tenant: 'contoso', permissions: ['Group.Read.All'] });
    expect(namesOf(listed)).toHaveLength(40);
    expect(counted).toMatchObject({ status: 200, body: 40 });
  });

  test("returns the app's own principal, by its app id", async () => {
    const path = `servicePrincipals?$filter=appId eq '${emulator.appId}'`;
    expect((await get(path)).status).toBe(403);
    await emulator.control.consentGraph({ tenant: 'contoso', permissions: ['Application.Read.All'] });
    const token = await tokenOf('contoso');
    await emulator.control.revokeGraphConsent({ tenant: 'contoso', permissions: ['Application.Read.All'] });
    const { body } = await get(path, { token });
    expect(body['value']).toMatchObject([{ appId: emulator.appId, displayName: 'vaultspan', accountEnabled: true }]);
    const none = await get("servicePrincipals?$filter=appId eq '00000000-0000-0000-0000-000000000000'", { token });
    expect(none.body['value']).toEqual([]);
    expect((await get("servicePrincipals?$filter=startswith(displayName,'v')", { token })).status).toBe(400);
  });

  test.each([
    ['users?$top=0', 400, 'Request_BadRequest'],
    ['users?$top=1000', 400, 'Request_BadRequest'],
    ['users?$skiptoken=zzz', 400, 'Request_BadRequest'],
    ['users?$select=id,shoeSize', 400, 'BadRequest'],
    ['mailboxes', 400, 'BadRequest'],
  ])('answers GET %s with %d', async (path, status, code) => {
    expect(await get(path)).toMatchObject({ status, body: { error: { code } } });
  });

  test('refuses every write', async () => {
    const authorization = `Bearer ${await tokenOf('contoso')}`;
    expect((await fetchJson(url('users'), { method: 'POST', body: '{}', headers: { authorization } })).status).toBe(
      405,
    );
  });

  test("errors and the log contain the client's request id", async () => {
    emulator.control.clearRequests();
    const id = '5d0ef3a4-0d2b-4f0e-9a43-3f6a3c1f9b11';
    const { body, headers } = await get('groups', { headers: { 'client-request-id': id } });
    expect(headers.get('client-request-id')).toBe(id);
    expect(body).toMatchObject({
      error: { innerError: { 'client-request-id': id, 'request-id': headers.get('request-id') } },
    });
    expect(emulator.control.requests().filter(({ at }) => at === 'graph')).toMatchObject([
      { operation: 'listGroups', path: '/v1.0/groups', status: 403, clientRequestId: id, appId: emulator.appId },
    ]);
  });
});

describe('faults', () => {
  test('Graph throttles while Entra works', async () => {
    const fault = {
      at: 'graph',
      operation: 'listUsers',
      kind: 'status',
      status: 429,
      headers: { 'retry-after': '7' },
    } as const;
    await emulator.control.injectFault({ ...fault, times: 1 });
    const reply = await get('users');
    expect(reply).toMatchObject({ status: 429, body: { error: { code: 'TooManyRequests', innerError: {} } } });
    expect(reply.headers.get('retry-after')).toBe('7');
    expect((await get('users')).status).toBe(200);
  });

  test('Entra fails while Graph works', async () => {
    const token = await tokenOf('contoso');
    await emulator.control.injectFault({ at: 'entra', kind: 'status', status: 503 });
    expect((await get('users', { token })).status).toBe(200);
  });
});

describe('the state file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('keeps the consent; a state from before Graph loads, without any consent', async () => {
    const stateFile = join(folder, 'state.json');
    const before = await startTrusted({ stateFile });
    await before.control.consentGraph({ tenant: 'contoso', permissions: ['Group.Read.All'] });
    await before.close();
    const again = await startTrusted({ stateFile });
    const roles = ['Organization.Read.All', 'User.Read.All', 'Group.Read.All'];
    expect(decodeJwt(await tokenOf('contoso', GRAPH_SCOPE, again))).toMatchObject({ roles });
    await again.close();

    const isNew = (name: string) => name === 'directory' || name === 'graphPermissions';
    const old = JSON.parse(await readFile(stateFile, 'utf8'), (name, value) => (isNew(name) ? undefined : value));
    await writeFile(stateFile, JSON.stringify(old));
    const loaded = await startTrusted({ stateFile });
    expect(decodeJwt(await tokenOf('contoso', GRAPH_SCOPE, loaded))).not.toHaveProperty('roles');
    await loaded.control.consentGraph({ tenant: 'contoso', permissions: ['Directory.Read.All'] });
    const authorization = `Bearer ${await tokenOf('contoso', GRAPH_SCOPE, loaded)}`;
    const { body } = await fetchJson(`${loaded.authorityHost}/v1.0/organization`, { headers: { authorization } });
    expect(body['value']).toMatchObject([
      { displayName: 'contoso', verifiedDomains: [{ name: 'contoso.onmicrosoft.com' }] },
    ]);
    await loaded.close();
  });
});
