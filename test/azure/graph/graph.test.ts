import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ClientSecretCredential } from '@azure/identity';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AuditEvent } from '../../../src/audit/event.ts';
import type { AuditSink } from '../../../src/audit/sink.ts';
import { TenantCredential } from '../../../src/azure/entra/tenant-credential.ts';
import { GraphDirectory, type GraphDirectoryOptions } from '../../../src/azure/graph/graph.ts';
import type { HomeCredential } from '../../../src/azure/home/home-credential.ts';
import type { AuthenticatedRequest } from '../../../src/callers/authenticated-request.ts';
import type { Emulator } from '../../../src/emulator/emulator.ts';
import type { Fault } from '../../../src/emulator/faults.ts';
import { ServiceError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { getDirectory } from '../../../src/operations/get-directory.ts';
import type { DirectoryFacts } from '../../../src/tenants/directory-facts.ts';
import type { Tenant } from '../../../src/tenants/record.ts';
import { tenantOf, tenantSchema } from '../../../src/tenants/record-schema.ts';
import { tenantNotFound } from '../../../src/tenants/registry.ts';
import { vaultHosts } from '../../../src/tenants/vault-hosts.ts';
import { authorityOptions, customerNamed, startTrusted } from '../../support/emulator-clients.ts';
import { record } from '../../support/make-tenant.ts';
import { signInsOf } from '../../support/sign-ins-of.ts';

const REQUEST_ID = '1c9f5c58-3f2e-4a53-8a57-0a35a4d7b0c4';
const ALL = { organization: true, users: true, groups: true };
const CONTOSO = {
  state: 'read',
  displayName: 'Contoso Ltd',
  verifiedDomains: ['contoso.onmicrosoft.com', 'contoso.com'],
} as const;

let emulator: Emulator;
let home: HomeCredential;

beforeAll(async () => {
  emulator = await startTrusted({
    seed: (directory) => {
      directory.addCustomer({
        name: 'contoso',
        keys: [],
        directory: { ...CONTOSO, users: 250, groups: 40 },
        graphPermissions: ['Organization.Read.All', 'User.Read.All'],
      });
      directory.addCustomer({ name: 'fabrikam', keys: [] });
      directory.addCustomer({ name: 'adatum', keys: [], isAppAdded: false });
      directory.addCustomer({
        name: 'tailspin',
        keys: [],
        directory: { displayName: 'Tailspin Toys', verifiedDomains: ['tailspin.com'], users: 19_981, groups: 19_980 },
        graphPermissions: ['Directory.Read.All'],
      });
    },
  });
  const { value } = await emulator.control.addAppSecret();
  home = {
    signIn: (tenantId, scope, abortSignal) =>
      new ClientSecretCredential(tenantId, emulator.appId, value, authorityOptions(emulator)).getToken(scope, {
        abortSignal,
      }),
  };
});

beforeEach(() => emulator.control.clearRequests());
afterEach(() => emulator.control.clearFaults());
afterAll(() => emulator.close());

function tenantNamed(name: string, change: Record<string, unknown> = { graph: ALL }): Tenant {
  const input = record({ id: name, entraTenantId: customerNamed(emulator, name).tenantId, ...change });
  const stamps = { revision: '1', createdAt: '', updatedAt: '' };
  return tenantOf(
    tenantSchema(
      vaultHosts({
        suffixes: ['.vault.azure.net'],
        unsafeAllowEmulator: false,
        homeVaultUrl: 'https://vendor.vault.azure.net',
      }),
    ).parse(input),
    stamps,
  );
}

const graph = (change: Partial<GraphDirectoryOptions> = {}): GraphDirectory =>
  new GraphDirectory({
    graphEndpoint: emulator.authorityHost,
    appId: emulator.appId,
    credentialOf: ({ entraTenantId }) =>
      new TenantCredential({
        signIns: signInsOf(home, emulator.appId),
        entraTenantId,
        tokenMaxAgeMs: 0,
        clock: systemClock,
      }),
    deadlineMs: 5_000,
    clock: systemClock,
    ...change,
  });

const read = (tenant: Tenant, change?: Partial<GraphDirectoryOptions>): Promise<DirectoryFacts> =>
  graph(change).readDirectory(tenant, REQUEST_ID);

/** Returns Graph's requests since the test began. */
const asked = (): string[] =>
  emulator.control
    .requests()
    .filter(({ at }) => at === 'graph')
    .map(({ operation }) => operation)
    .sort();

const breakGraph = (fault: Omit<Fault, 'at'>): Promise<void> => emulator.control.injectFault({ at: 'graph', ...fault });

describe('the facts that the record asks for', () => {
  test('are read with consent, and not requested without it', async () => {
    expect(await read(tenantNamed('contoso'))).toEqual({
      organization: CONTOSO,
      users: { state: 'read', count: 250 },
      groups: { state: 'not-consented', permission: 'GroupMember.Read.All' },
    });
    expect(asked()).toEqual(['countUsers', 'getOrganization']);
  });

  test('are all that is read', async () => {
    expect(await read(tenantNamed('contoso', { graph: { users: true, groups: false } }))).toEqual({
      users: { state: 'read', count: 250 },
    });
    expect(asked()).toEqual(['countUsers']);
  });

  test.each([
    ['nothing, by default', {}],
    ['nothing, by each switch', { graph: { organization: false, users: false } }],
  ])('are %s: then Azure is not called', async (_what, change) => {
    expect(await read(tenantNamed('contoso', change))).toEqual({});
    expect(emulator.control.requests()).toEqual([]);
  });

  test("are read under our request's id in the customer's log", async () => {
    await read(tenantNamed('contoso', { graph: { organization: true } }));
    const [entry] = emulator.control.requests().filter(({ at }) => at === 'graph');
    expect(entry).toMatchObject({ operation: 'getOrganization', clientRequestId: REQUEST_ID });
  });
});

describe('consent', () => {
  test('without any, nothing fails and Graph is not called', async () => {
    expect(await read(tenantNamed('fabrikam'))).toEqual({
      organization: { state: 'not-consented', permission: 'Organization.Read.All' },
      users: { state: 'not-consented', permission: 'User.Read.All' },
      groups: { state: 'not-consented', permission: 'GroupMember.Read.All' },
    });
    expect(asked()).toEqual([]);
  });

  test('given or revoked a moment ago applies to the next reading', async () => {
    const tenant = tenantNamed('contoso', { graph: { groups: true } });
    await emulator.control.consentGraph({ tenant: 'contoso', permissions: ['Group.Read.All'] });
    expect(await read(tenant)).toEqual({ groups: { state: 'read', count: 40 } });
    await emulator.control.revokeGraphConsent({ tenant: 'contoso', permissions: ['Group.Read.All'] });
    expect(await read(tenant)).toMatchObject({ groups: { state: 'not-consented' } });
  });

  test('to Directory.Read.All is enough for everything', async () => {
    const facts = await read(tenantNamed('tailspin'));
    expect(Object.values(facts).map(({ state }) => state)).toEqual(['read', 'read', 'read']);
  });

  test('that a token does not show is left to Graph to check', async () => {
    const credentialOf = () => ({ getToken: async () => ({ token: 'opaque', expiresOnTimestamp: 0 }) });
    expect(await read(tenantNamed('contoso', { graph: { users: true } }), { credentialOf })).toEqual({
      users: { state: 'denied', permission: 'User.Read.All', code: 'InvalidAuthenticationToken' },
    });
  });
});

describe('counting without $count', () => {
  const noCount = () =>
    breakGraph({ operation: 'countUsers', kind: 'status', status: 400, code: 'Request_UnsupportedQuery' });

  test('follows the pages', async () => {
    await noCount();
    expect(await read(tenantNamed('contoso', { graph: { users: true } }))).toEqual({
      users: { state: 'read', count: 250 },
    });
    expect(asked()).toEqual(['countUsers', 'listUsers']);
  });

  test('stops at 20 pages and reports it, unless those are all', async () => {
    await noCount();
    await breakGraph({ operation: 'countGroups', kind: 'status', status: 404, code: 'Request_ResourceNotFound' });
    expect(await read(tenantNamed('tailspin', { graph: { users: true, groups: true } }))).toEqual({
      users: { state: 'read', atLeast: 19_980 },
      groups: { state: 'read', count: 19_980 },
    });
    expect(asked().filter((operation) => operation === 'listUsers')).toHaveLength(20);
  });
});

describe('trouble', () => {
  const users = { graph: { users: true } };

  test('of one fact does not affect the others', async () => {
    await breakGraph({ operation: 'countUsers', kind: 'status', status: 403, code: 'Authorization_RequestDenied' });
    expect(await read(tenantNamed('contoso'))).toMatchObject({
      organization: CONTOSO,
      users: { state: 'denied', permission: 'User.Read.All', code: 'Authorization_RequestDenied' },
    });
  });

  test('throttling is reported with its delay, and not retried', async () => {
    await breakGraph({ kind: 'status', status: 429, headers: { 'retry-after': '7' } });
    expect(await read(tenantNamed('contoso', users))).toEqual({
      users: { state: 'unavailable', code: 'TooManyRequests', retryAfter: 7 },
    });
    expect(asked()).toHaveLength(1);
  });

  test.each([
    ['a 503', { kind: 'status', status: 503 }, 'ServiceUnavailable'],
    ['a broken connection', { kind: 'reset' }, 'unreachable'],
  ] as const)('%s is retried once', async (_what, fault, code) => {
    await breakGraph({ ...fault, times: 1 });
    expect(await read(tenantNamed('contoso', users))).toEqual({ users: { state: 'read', count: 250 } });
    await breakGraph({ ...fault, times: 2 });
    expect(await read(tenantNamed('contoso', users))).toEqual({ users: { state: 'unavailable', code } });
    expect(asked()).toHaveLength(4);
  });

  test('without an answer ends at the deadline', async () => {
    await breakGraph({ kind: 'hang' });
    expect(await read(tenantNamed('contoso', users), { deadlineMs: 2_000 })).toEqual({
      users: { state: 'unavailable', code: 'timeout' },
    });
  });

  test("an answer that is not Graph's is no fact", async () => {
    await breakGraph({ kind: 'garbage' });
    expect(await read(tenantNamed('contoso', { graph: { users: true, organization: true } }))).toEqual({
      organization: { state: 'unavailable', code: 'unexpected-answer' },
      users: { state: 'unavailable', code: 'unexpected-answer' },
    });
  });

  test("a failed sign-in is the tenant's failure, as everywhere", async () => {
    await expect(read(tenantNamed('adatum'))).rejects.toMatchObject({ code: 'access-revoked', reason: 'app-absent' });
    await emulator.control.injectFault({ at: 'entra', kind: 'hang' });
    const failure = read(tenantNamed('contoso'), { deadlineMs: 2_000 });
    await expect(failure).rejects.toMatchObject({ code: 'identity-unavailable' });
    expect(asked()).toEqual([]);
  });
});

/** Starts our own Graph, for answers that the emulated one never gives. */
async function serve(answer: RequestListener): Promise<AsyncDisposable & { url: string; paths: readonly string[] }> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paths,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a Graph with unexpected answers', () => {
  const readUsers = (graphEndpoint: string): Promise<DirectoryFacts> =>
    read(tenantNamed('contoso', { graph: { users: true } }), {
      graphEndpoint,
      credentialOf: () => ({ getToken: async () => ({ token: 'opaque', expiresOnTimestamp: 0 }) }),
    });

  /** Refuses `$count`, then lists one user, with a link to the next page. */
  const listing =
    (linkOf: () => string): RequestListener =>
    (request, response) => {
      response.statusCode = request.url?.includes('$count') ? 400 : 200;
      const isLast = request.url?.includes('last') === true;
      response.end(JSON.stringify({ value: [{ id: '1' }], ...(!isLast && { '@odata.nextLink': linkOf() }) }));
    };

  test('is followed from page to page, but not to another host', async () => {
    await using other = await serve((_request, response) => response.end('{"value":[]}'));
    await using foreign = await serve(listing(() => `${other.url}/v1.0/users?last`));
    await using own = await serve(listing(() => `${own.url}/v1.0/users?last`));
    expect(await readUsers(own.url)).toEqual({ users: { state: 'read', count: 2 } });
    expect(await readUsers(foreign.url)).toEqual({ users: { state: 'unavailable', code: 'unexpected-answer' } });
    expect(other.paths).toEqual([]);
  });

  test('a redirect is not followed', async () => {
    await using other = await serve((_request, response) => response.end('5'));
    await using redirecting = await serve((_request, response) => {
      response.writeHead(302, { location: other.url }).end();
    });
    expect(await readUsers(redirecting.url)).toMatchObject({ users: { state: 'unavailable' } });
    expect(other.paths).toEqual([]);
  });

  test('an endless answer is cut off', async () => {
    await using server = await serve((_request, response) => {
      const more = (): void => void response.write(Buffer.alloc(65_536, '5'), (error) => error ?? more());
      more();
    });
    expect(await readUsers(server.url)).toEqual({ users: { state: 'unavailable', code: 'answer-too-large' } });
  });

  test.each([
    ['\u{feff}250', { state: 'read', count: 250 }],
    ['-1', { state: 'unavailable', code: 'unexpected-answer' }],
    ['1e3', { state: 'unavailable', code: 'unexpected-answer' }],
    ['', { state: 'unavailable', code: 'unexpected-answer' }],
  ])('a count of %j', async (text, users) => {
    await using server = await serve((_request, response) => response.end(text));
    expect(await readUsers(server.url)).toEqual({ users });
  });

  test('an invalid error code is not passed on', async () => {
    const body = JSON.stringify({ error: { code: 'Dear customer, call 555', message: 'now' } });
    await using server = await serve((_request, response) => response.writeHead(403).end(body));
    expect(await readUsers(server.url)).toMatchObject({ users: { state: 'denied', code: 'unexpected-answer' } });
  });
});

describe('the operation', () => {
  const callWith = (...roles: string[]): AuthenticatedRequest => ({
    principal: { id: 'issuer#caller', roles: new Set(roles), tenantIds: undefined },
    requestId: REQUEST_ID,
  });

  function depsOf(tenant: Tenant, failure?: ServiceError) {
    const events: AuditEvent[] = [];
    const audit: AuditSink = {
      record: async (event) => {
        if (failure) throw failure;
        events.push(event);
      },
      trouble: () => undefined,
      close: async () => undefined,
    };
    const get = async (id: string) => (id === tenant.id ? tenant : Promise.reject(tenantNotFound()));
    return { events, clock: systemClock, tenants: { get }, directory: graph(), audit, contextDigest: () => '' };
  }

  test('returns the facts and writes a record without them', async () => {
    const deps = depsOf(tenantNamed('contoso'));
    const facts = await getDirectory(deps, callWith('Tenants.Read'), 'contoso');
    expect(facts).toMatchObject({ organization: CONTOSO, users: { count: 250 }, groups: { state: 'not-consented' } });
    expect(deps.events).toEqual([
      {
        operation: 'directory',
        outcome: 'succeeded',
        requestId: REQUEST_ID,
        principal: 'issuer#caller',
        tenantId: 'contoso',
      },
    ]);
  });

  test.each([
    ['without the grant', ['Tenants.Manage'], 'contoso', {}, 'grant-missing'],
    ['of an unknown tenant', ['Tenants.Read'], 'nobody', {}, 'tenant-not-found'],
    ['of a suspended tenant', ['Tenants.Read'], 'contoso', { state: 'suspended' }, 'tenant-suspended'],
  ])('%s makes no call', async (_what, roles, tenantId, change, code) => {
    const deps = depsOf(tenantNamed('contoso', { graph: ALL, ...change }));
    await expect(getDirectory(deps, callWith(...roles), tenantId)).rejects.toMatchObject({ code });
    expect(emulator.control.requests()).toEqual([]);
  });

  test('returns nothing if it cannot be recorded', async () => {
    const deps = depsOf(tenantNamed('contoso'), new ServiceError('audit-unavailable', 'full'));
    const failure = getDirectory(deps, callWith('Tenants.Read'), 'contoso');
    await expect(failure).rejects.toMatchObject({ code: 'audit-unavailable' });
  });
});
