import { readFile } from 'node:fs/promises';
import type { KeyClient } from '@azure/keyvault-keys';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Emulator } from '../../src/emulator/emulator.ts';
import type { AuditEventRow } from '../../src/emulator/vault/audit-log.ts';
import {
  appCredential,
  customerNamed,
  failureOf,
  fetchJson,
  keyClientOf,
  startTrusted,
  VAULT_SCOPE,
  WRAP_ROLE,
} from '../support/emulator-clients.ts';

let emulator: Emulator;
let client: KeyClient;

beforeAll(async () => {
  emulator = await startTrusted({
    seed: (directory) => directory.addCustomer({ name: 'contoso', keys: ['data'], role: WRAP_ROLE }),
  });
  client = await keyClientOf(emulator, 'contoso');
  await client.getKey('data');
});

afterEach(() => emulator.control.clearFaults());
afterAll(() => emulator.close());

const order = (action: string, members: unknown = {}, headers: Record<string, string> = {}) =>
  fetchJson(`${emulator.controlUrl}/${action}`, { method: 'POST', body: JSON.stringify(members), headers });

async function eventsOf(vault: string): Promise<readonly AuditEventRow[]> {
  const response = await fetch(`${emulator.controlUrl}/audit-events?vault=${vault}`);
  return (await response.json()) as readonly AuditEventRow[];
}

describe('over HTTP', () => {
  test('GET / shows every action with its members and an example', async () => {
    const { body } = await fetchJson(`${emulator.controlUrl}/`);
    expect(Object.keys(body['actions'] as object)).toHaveLength(Object.keys(emulator.control).length - 4);
    expect(body['actions']).toMatchObject({
      'disable-key': {
        parameters: { vault: 'string', key: 'string', version: 'string?' },
        example: { vault: 'contoso', key: 'data' },
      },
    });
  });

  test('the README’s commands work as they are', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const [, section = ''] = readme.split('### Play the customer');
    const commands = [...section.matchAll(/^curl -s '?http:\/\/127\.0\.0\.1:8442([^\s']+)'?(?: -d '(.+?)')?/gm)];
    expect(commands.map(([, path]) => path)).toEqual(expect.arrayContaining(['/', '/disable-key', '/grant-role']));
    await emulator.control.addTenant({ name: 'northwind' });
    await emulator.control.addApp({ tenant: 'northwind' });
    await emulator.control.addVault({ tenant: 'northwind', name: 'northwind' });
    for (const [line, path, body] of commands) {
      const { status } = await fetchJson(
        `${emulator.controlUrl}${path}`,
        body === undefined ? {} : { method: 'POST', body },
      );
      expect([line, status]).toEqual([line, 200]);
    }
  });

  test('an action has the same effect as in process', async () => {
    expect((await order('disable-key', { vault: 'contoso', key: 'data' })).status).toBe(200);
    expect((await client.getKey('data')).properties.enabled).toBe(false);
    await order('enable-key', { vault: 'contoso', key: 'data' });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test("GET /audit-events returns a vault's own log: the id of each answer, and the app if its token was accepted", async () => {
    const { vaultUrl } = customerNamed(emulator, 'contoso');
    const before = await eventsOf('contoso');
    const challenge = await fetch(`${vaultUrl}/keys/data?api-version=7.4`, {
      headers: { 'x-ms-client-request-id': 'of-the-client' },
    });
    const ids: (string | undefined)[] = [];
    await client.getKey('data', { onResponse: ({ headers }) => ids.push(headers.get('x-ms-request-id')) });
    const events = (await eventsOf('contoso')).slice(before.length);
    expect(events).toMatchObject([
      { OperationName: 'KeyGet', HttpStatusCode: 401, CorrelationId: challenge.headers.get('x-ms-request-id') },
      { OperationName: 'KeyGet', HttpStatusCode: 200, CorrelationId: ids[0], Id: `${vaultUrl}/keys/data` },
    ]);
    expect(events.map(({ Identity }) => Identity)).toEqual([{ claim: {} }, { claim: { appid: emulator.appId } }]);
    expect(JSON.stringify(events)).not.toContain('of-the-client');
    expect(await eventsOf('home')).toEqual([]);
  });

  test('an action returns what it created', async () => {
    const { body } = await order('add-app-secret', { expiresInSeconds: 60 });
    expect(body).toMatchObject({ keyId: expect.any(String), value: expect.any(String), expires: expect.any(String) });
    const { body: listed } = await order('list-app-secrets');
    expect(JSON.stringify(listed)).toContain(String(body['keyId']));
    expect(JSON.stringify(listed)).not.toContain(String(body['value']));
  });

  test.each([
    ['an unknown action', 'explode', {}, 404, 'There are: grant-role'],
    ['an unknown member', 'disable-key', { vault: 'contoso', key: 'data', hard: true }, 400, 'no member "hard"'],
    ['a missing member', 'disable-key', { vault: 'contoso' }, 400, 'key must be a string'],
    ['a member of another kind', 'set-token-lifetime', { seconds: 'long' }, 400, 'seconds must be a number'],
    ['a choice that is none', 'inject-fault', { at: '*', kind: 'melt' }, 400, 'one of: status, hang'],
    ['an unknown vault', 'disable-key', { vault: 'nowhere', key: 'data' }, 400, 'there are: home, contoso'],
    ['an unknown key', 'disable-key', { vault: 'contoso', key: 'nothing' }, 404, 'nothing was not found'],
    ['a body that is no object', 'disable-key', [], 400, 'must be a JSON object'],
  ])('%s is refused with help', async (_what, action, members, status, help) => {
    const reply = await order(action, members);
    expect(reply.status).toBe(status);
    expect(reply.body['error']).toContain(help);
  });

  test('a web page is refused', async () => {
    const reply = await order('clear-faults', {}, { origin: 'https://example.org' });
    expect(reply.status).toBe(400);
  });

  test('the log of requests can be read and cleared', async () => {
    await fetch(`${emulator.controlUrl}/requests`, { method: 'DELETE' });
    await client.getKey('data');
    const { body } = await fetchJson(`${emulator.controlUrl}/requests`);
    expect(body).toMatchObject([
      { at: 'contoso', operation: 'getKey', method: 'GET', path: '/keys/data/', status: 200 },
    ]);
  });

  test('a tenant and a vault can be added', async () => {
    const { body: tenant } = await order('add-tenant', { name: 'tailspin' });
    await order('add-vault', { tenant: 'tailspin', name: 'tailspin' });
    await order('add-app', { tenant: 'tailspin' });
    await order('create-key', { vault: 'tailspin', key: 'fresh', tags: { use: 'test' } });
    await order('grant-role', { vault: 'tailspin', role: WRAP_ROLE, key: 'fresh' });
    expect(customerNamed(emulator, 'tailspin')).toMatchObject({ tenantId: tenant['tenantId'], keys: ['fresh'] });
    const added = await (await keyClientOf(emulator, 'tailspin')).getKey('fresh');
    expect(added.properties.tags).toEqual({ use: 'test' });
    expect((await order('add-tenant', { name: 'tailspin' })).status).toBe(400);
  });
});

describe('faults', () => {
  test('a status with its code and headers occurs as often as ordered', async () => {
    await emulator.control.injectFault({
      at: 'contoso',
      operation: 'getKey',
      kind: 'status',
      status: 429,
      headers: { 'retry-after': '1' },
      times: 1,
    });
    expect(await failureOf(client.getKey('data'))).toMatchObject({ statusCode: 429, code: 'Throttled' });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('an ordered refusal has the form of a real one', async () => {
    await emulator.control.injectFault({ at: 'contoso', kind: 'status', status: 403, code: 'ForbiddenByConnection' });
    expect(await failureOf(client.getKey('data'))).toMatchObject({ code: 'Forbidden', inner: 'ForbiddenByConnection' });
  });

  test('Entra fails until the faults are cleared', async () => {
    const credential = await appCredential(emulator, 'contoso');
    await emulator.control.injectFault({ at: 'entra', operation: 'token', kind: 'status', code: 'AADSTS90033' });
    expect(await failureOf(credential.getToken(VAULT_SCOPE))).toMatchObject({ aadsts: 90033 });
    expect(await failureOf(credential.getToken(VAULT_SCOPE))).toMatchObject({ aadsts: 90033 });
    await emulator.control.clearFaults();
    // MSAL caches a 5xx for a minute and answers by itself: only a new credential object calls
    // Entra again.
    const fresh = await appCredential(emulator, 'contoso');
    expect(await fresh.getToken(VAULT_SCOPE)).toHaveProperty('token');
  });

  test('one operation fails, another succeeds', async () => {
    await emulator.control.injectFault({ at: '*', operation: 'wrapKey', kind: 'reset' });
    const cryptography = client.getCryptographyClient('data');
    const failure = await failureOf(cryptography.wrapKey('RSA-OAEP-256', Buffer.alloc(32)));
    expect(failure.statusCode).toBeUndefined();
    expect(emulator.control.requests().at(-1)).toMatchObject({ operation: 'wrapKey', status: 0 });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('a hang lasts until the client disconnects', async () => {
    await emulator.control.injectFault({ at: 'contoso', operation: 'getKey', kind: 'hang' });
    const failure = await failureOf(client.getKey('data', { abortSignal: AbortSignal.timeout(50) }));
    expect(failure.message).toMatch(/abort/i);
  });

  test('a delay changes nothing else', async () => {
    await emulator.control.injectFault({ at: 'contoso', kind: 'delay', delayMs: 5 });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('garbage is not JSON', async () => {
    await emulator.control.injectFault({ at: 'contoso', kind: 'garbage' });
    const response = await fetch(`${customerNamed(emulator, 'contoso').vaultUrl}/keys/data?api-version=7.6`);
    expect(response.headers.get('content-type')).toBe('text/html');
    await expect(response.json()).rejects.toThrow('not valid JSON');
  });

  test('garbage can have any body', async () => {
    const headers = { 'content-type': 'application/json' };
    await emulator.control.injectFault({ at: 'contoso', kind: 'garbage', headers, body: '{"value":"AAAA"}' });
    const response = await fetch(`${customerNamed(emulator, 'contoso').vaultUrl}/keys/data?api-version=7.6`);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ value: 'AAAA' });
  });

  test('the challenge can fail alone', async () => {
    await emulator.control.injectFault({ at: 'contoso', operation: 'challenge', kind: 'status', status: 500 });
    const fresh = await keyClientOf(emulator, 'contoso');
    expect(await failureOf(fresh.getKey('data'))).toMatchObject({ statusCode: 500 });
    expect(await client.getKey('data')).toHaveProperty('name', 'data');
  });

  test('an unknown place or operation is refused', async () => {
    await expect(emulator.control.injectFault({ at: 'mars', kind: 'hang' })).rejects.toThrow('at must be one of');
    const misspelt = emulator.control.injectFault({ at: 'contoso', operation: 'unwrap', kind: 'hang' });
    await expect(misspelt).rejects.toThrow('operation must be one of: discovery');
  });
});
