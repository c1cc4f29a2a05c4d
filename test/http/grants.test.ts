import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { operations } from '../../src/http/contract/contract.ts';
import type { Operation } from '../../src/http/contract/operation.ts';
import { streamOperations } from '../../src/http/contract/stream-contract.ts';
import { exchange } from '../support/raw-exchange.ts';
import { ALL_ROLES, startService, type TestService } from '../support/start-service.ts';

const CALLS = [
  ['encrypt', 'Data.Encrypt', { plaintext: 'aGk=' }],
  ['decrypt', 'Data.Decrypt', { ciphertext: 'x' }],
  ['wrap', 'Keys.Wrap', { value: 'aGk=', key: 'wrap' }],
  ['unwrap', 'Keys.Unwrap', { wrappedKey: 'aGk=', keyId: 'x', algorithm: 'RSA-OAEP' }],
  ['indexes/email/tokens', 'Data.Index', { values: ['aGk='] }],
  ['indexes/email/deterministic/encrypt', 'Data.Encrypt', { values: ['aGk='] }],
  ['indexes/email/deterministic/decrypt', 'Data.Decrypt', { values: ['AQ'] }],
  ['indexes/email/rotate', 'Tenants.Manage', undefined],
  ['indexes/email/retire', 'Tenants.Manage', { version: 1 }],
] as const;
const ROLES = [...new Set(CALLS.map(([, role]) => role))];

let service: TestService;
beforeAll(async () => {
  service = await startService({
    tenant: (record) => (record['id'] === 'fabrikam' ? { ...record, state: 'suspended' } : record),
    limits: { 'of-contoso': ['contoso'], 'of-nobody': [], 'of-all': ['*'] },
  });
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const tokenOf = (roles: readonly string[], azp?: string) =>
  service.emulator.issueCallerToken({ roles, ...(azp !== undefined && { claims: { azp } }) });
const vaultCalls = () => [...service.vaultCalls('contoso'), ...service.vaultCalls('fabrikam')];

/** Returns the members that two callers could compare. */
const comparable = ({ status, body }: { readonly status: number; readonly body: Record<string, unknown> }) => {
  const { requestId, ...rest } = body;
  return { status, hasRequestId: typeof requestId === 'string', ...rest };
};

describe.each(CALLS)('%s', (operation, role, body) => {
  const path = (tenant: string) => `/tenants/${tenant}/${operation}`;

  test(`without ${role} is refused before any look-up, whatever other roles the caller has`, async () => {
    const token = await tokenOf(ROLES.filter((other) => other !== role));
    const known = await service.post(path('contoso'), body, token);
    expect([known.status, known.body.code, known.body.reason]).toEqual([403, 'grant-missing', role]);
    expect(known.body.fix).toMatchObject({ owner: 'vendor', action: expect.stringContaining(role) });
    for (const tenant of ['nobody', 'fabrikam']) {
      const other = await service.post(path(tenant), body, token);
      expect(comparable(other)).toEqual(comparable(known));
    }
    expect(vaultCalls()).toEqual([]);
  });

  test(`with ${role} alone finds no tenant that does not exist`, async () => {
    const response = await service.post(path('nobody'), body, await tokenOf([role]));
    expect([response.status, response.body.code]).toEqual([404, 'tenant-not-found']);
  });

  test('of a suspended tenant is refused, and no vault is called', async () => {
    const response = await service.post(path('fabrikam'), body, await tokenOf([role]));
    expect([response.status, response.body.code, response.body.fix?.owner]).toEqual([
      403,
      'tenant-suspended',
      'vendor',
    ]);
    expect(vaultCalls()).toEqual([]);
  });

  test('by a caller limited to other tenants has the answer for a tenant that does not exist', async () => {
    const token = await tokenOf([role], 'of-contoso');
    const absent = await service.post(path('nobody'), body, token);
    expect(absent.status).toBe(404);
    for (const tenant of ['fabrikam', 'northwind']) {
      expect(comparable(await service.post(path(tenant), body, token))).toEqual(comparable(absent));
    }
    const ofNobody = await service.post(path('contoso'), body, await tokenOf([role], 'of-nobody'));
    expect(comparable(ofNobody)).toEqual(comparable(absent));
    expect(vaultCalls()).toEqual([]);
  });

  test('without a token is refused before any other check', async () => {
    for (const tenant of ['contoso', 'nobody', 'fabrikam']) {
      const response = await service.post(path(tenant), body, '');
      expect([response.status, response.body.code]).toEqual([401, 'unauthenticated']);
    }
  });
});

test('a caller limited to a tenant may use it, and a caller for all tenants may use any', async () => {
  const body = { plaintext: 'aGk=' };
  const ofContoso = await service.post('/tenants/contoso/encrypt', body, await tokenOf(['Data.Encrypt'], 'of-contoso'));
  expect(ofContoso.status).toBe(200);
  const suspended = await service.post('/tenants/fabrikam/encrypt', body, await tokenOf(['Data.Encrypt'], 'of-all'));
  expect(suspended.body.code).toBe('tenant-suspended');
});

test('one role is enough for its call: a token without roles or with roles as a text is not', async () => {
  const encrypt = (token: string) => service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' }, token);
  expect((await encrypt(await tokenOf(['Data.Encrypt']))).status).toBe(200);
  expect((await encrypt(await tokenOf([]))).status).toBe(403);
  const asText = await service.emulator.issueCallerToken({ claims: { roles: 'Data.Encrypt' } });
  expect((await encrypt(asText)).status).toBe(403);
});

test('the reader, with a token of its own from Entra, decrypts and may do nothing else', async () => {
  const token = await signIn(service, 'reader');
  const { ciphertext } = (await service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' })).body;
  const decrypted = await service.post('/tenants/contoso/decrypt', { ciphertext }, token);
  expect(decrypted.body.plaintext).toBe('aGk=');
  for (const [operation, , body] of CALLS.filter(([, role]) => role !== 'Data.Decrypt')) {
    const response = await service.post(`/tenants/contoso/${operation}`, body, token);
    expect([response.status, response.body.code]).toEqual([403, 'grant-missing']);
  }
});

describe('a refusal reads no body', () => {
  const WITH_BODY = [
    ...Object.values<Operation>(operations).filter(({ body, role }) => body && role !== undefined),
    ...Object.values(streamOperations),
  ];
  const LEASE_ID = '00000000-0000-4000-8000-000000000000';
  const OF_ACTIVE_TENANTS = WITH_BODY.filter(({ errors }) =>
    (errors as readonly string[]).includes('tenant-suspended'),
  );

  /**
   * Sends the head of each call, and no part of the declared body: an answer shows that the server
   * did not wait for it.
   */
  async function codesWithoutBodies(
    some: readonly Pick<Operation, 'method' | 'path'>[],
    tenant: string,
    token: string,
  ) {
    const answers = some.map(async ({ method, path }) => {
      const [answer] = await exchange(
        service.url,
        `${method.toUpperCase()} ${path.replace('{tenantId}', tenant).replace('{name}', 'email').replace('{leaseId}', LEASE_ID)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
          'Content-Type: application/json\r\nContent-Length: 200000\r\n\r\n',
      );
      return (JSON.parse(answer?.body ?? '{}') as { readonly code?: string }).code;
    });
    return new Set(await Promise.all(answers));
  }

  test('without the role, on every call with a body', async () => {
    expect(WITH_BODY.length).toBeGreaterThan(12);
    expect(await codesWithoutBodies(WITH_BODY, 'contoso', await tokenOf([]))).toEqual(new Set(['grant-missing']));
  });

  test('for an invalid token, on every call with a body', async () => {
    expect(await codesWithoutBodies(WITH_BODY, 'contoso', 'x')).toEqual(new Set(['unauthenticated']));
  });

  test('for a tenant that the caller may not name, or that does not exist', async () => {
    const limited = await tokenOf(ALL_ROLES, 'of-contoso');
    expect(await codesWithoutBodies(WITH_BODY, 'northwind', limited)).toEqual(new Set(['tenant-not-found']));
    const unknown = await codesWithoutBodies(OF_ACTIVE_TENANTS, 'nobody', await tokenOf(ALL_ROLES));
    expect(unknown).toEqual(new Set(['tenant-not-found']));
  });

  test('for a suspended tenant', async () => {
    const suspended = await codesWithoutBodies(OF_ACTIVE_TENANTS, 'fabrikam', await tokenOf(ALL_ROLES));
    expect(suspended).toEqual(new Set(['tenant-suspended']));
  });
});

test('refusals for a missing role are one audit record per caller and role in 10 s, with their number', async () => {
  const token = await tokenOf(['Keys.Wrap'], 'curious');
  const call = (operation: string) => service.post(`/tenants/contoso/${operation}`, {}, token);
  await Promise.all(Array.from({ length: 20 }, () => call('encrypt')));
  await Promise.all(Array.from({ length: 5 }, () => call('decrypt')));
  await service.stop();
  const records = (await service.auditRecords()).filter(({ principal }) => String(principal).endsWith('#curious'));
  const countOf = (role: string) =>
    records.filter(({ reason }) => reason === role).reduce((sum, { count = 1 }) => sum + Number(count), 0);
  expect([countOf('Data.Encrypt'), countOf('Data.Decrypt')]).toEqual([20, 5]);
  expect(records.length).toBeLessThan(10); // two in each interval of 10 s
  expect(records).toEqual(records.map(() => expect.objectContaining({ code: 'grant-missing', outcome: 'refused' })));
});

async function signIn({ emulator }: TestService, name: string): Promise<string> {
  const caller = emulator.callers.find((candidate) => candidate.name === name);
  const response = await fetch(`${emulator.authorityHost}/${emulator.homeTenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: caller?.clientId ?? '',
      client_secret: caller?.clientSecret ?? '',
      scope: caller?.scope ?? '',
    }),
  });
  return ((await response.json()) as { readonly access_token: string }).access_token;
}
