import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sealLocally } from '../support/lease-holder.ts';
import { ALL_ROLES, startService, type TestService } from '../support/start-service.ts';
import { beginStream, postStream } from '../support/stream-client.ts';
import { until } from '../support/until.ts';

const plaintext = Buffer.from('an invoice').toString('base64');
const encryptionContext = { purpose: 'payroll' };
/** More than a segment. */
const PIECE = Buffer.alloc(1_100_000, 'p');

let service: TestService;
beforeAll(async () => {
  service = await startService({
    compact: 'enabled',
    tenant: (record) => {
      if (record['id'] === 'contoso') return { ...record, leases: { maxSeconds: 120 }, indexes: { email: {} } };
      if (record['id'] !== 'fabrikam') return record;
      return { ...record, keyRules: [{ when: { purpose: 'payroll', team: 'hr' }, key: 'archive' }] };
    },
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const bearer = () => service.emulator.issueCallerToken({ roles: ALL_ROLES });
const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
  service.post(`/tenants/${path}`, body, await bearer()).set(headers);

/** Sets the tags of a key, and lets so much time pass that every process has read them. */
async function tag(tags: Record<string, string>, key = 'data', vault = 'contoso'): Promise<void> {
  await service.emulator.control.setKeyAttributes({ vault, key, tags: { ...tags, 'vaultspan-tenant': vault } });
  service.clock.advance(1_201);
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** `200`, or status, code and reason; of a batch, those of its first item. */
function told({ status, body }: Answer): string {
  const [first] = (body['items'] ?? []) as readonly { readonly error?: Record<string, unknown> }[];
  const { code, reason } = first?.error ?? body;
  return [first?.error?.['status'] ?? status, code, reason].filter((part) => part !== undefined).join(' ');
}

interface Stored {
  readonly ciphertext: string;
  readonly fields: Record<string, string>;
  readonly stream: Buffer;
  readonly value: string;
  readonly leased: string;
}

/** Data from before the policy. */
async function store(): Promise<Stored> {
  const { ciphertext } = (await post('contoso/encrypt', { plaintext, encryptionContext })).body;
  const { fields } = (await post('contoso/documents/encrypt', { fields: { a: plaintext }, encryptionContext })).body;
  const token = await bearer();
  const sealed = await postStream(service, '/tenants/contoso/streams/encrypt', {
    body: Buffer.from('text'),
    context: encryptionContext,
    token,
  });
  const { write } = (
    await post('contoso/indexes/email/deterministic/encrypt', { values: [plaintext], encryptionContext })
  ).body;
  const lease = (await post('contoso/leases', {})).body;
  const leased = sealLocally(lease, 'text', encryptionContext);
  return { ciphertext, fields, stream: sealed.body, value: write.values[0], leased };
}

const calls = ({ ciphertext, fields, stream, value, leased }: Stored) => {
  const call = (path: string, body: object) => async (headers?: Record<string, string>) =>
    told(await post(`contoso/${path}`, { ...body, encryptionContext }, headers));
  const items = (path: string, item: object) => async (headers?: Record<string, string>) =>
    told(await post(`contoso/batch/${path}`, { items: [{ ...item, encryptionContext }] }, headers));
  const streamed = (path: string, body: Buffer) => async (headers?: Record<string, string>) => {
    const options = { body, context: encryptionContext, token: await bearer(), ...(headers && { headers }) };
    const answer = await postStream(service, `/tenants/contoso/streams/${path}`, options);
    return told({ status: answer.status, body: answer.problem as Record<string, unknown> });
  };
  const sealing = {
    encrypt: call('encrypt', { plaintext }),
    'batch/encrypt': items('encrypt', { plaintext }),
    'documents/encrypt': call('documents/encrypt', { fields: { a: plaintext } }),
    'batch/documents/encrypt': items('documents/encrypt', { fields: { a: plaintext } }),
    'streams/encrypt': streamed('encrypt', Buffer.from('text')),
    'data-keys': call('data-keys', {}),
    'deterministic/encrypt': call('indexes/email/deterministic/encrypt', { values: [plaintext] }),
  };
  const opening = {
    decrypt: call('decrypt', { ciphertext }),
    'batch/decrypt': items('decrypt', { ciphertext }),
    'documents/decrypt': call('documents/decrypt', { fields }),
    'batch/documents/decrypt': items('documents/decrypt', { fields }),
    'streams/decrypt': streamed('decrypt', stream),
    'deterministic/decrypt': call('indexes/email/deterministic/decrypt', { values: [value] }),
  };
  const both = {
    rewrap: call('rewrap', { ciphertext }),
    'batch/rewrap': items('rewrap', { ciphertext }),
    'documents/rewrap': call('documents/rewrap', { fields }),
    'streams/rewrap-header': call('streams/rewrap-header', {
      ciphertext: stream.toString('latin1', 10, 10 + stream.readUInt32BE(6)),
    }),
  };
  const tokens = async (headers?: Record<string, string>) =>
    told(await post('contoso/indexes/email/tokens', { values: [plaintext] }, headers));
  const lease = async () => told(await post('contoso/leases', {}));
  const openLease = async () => {
    const answer = await post('contoso/leases/open', { messages: [{ ciphertext: leased, encryptionContext }] });
    return told(answer);
  };
  return { sealing, opening, both, tokens, lease, openLease };
};

const every = async (
  some: Record<string, (headers?: Record<string, string>) => Promise<string>>,
  headers?: Record<string, string>,
) => {
  const answers: Record<string, string> = {};
  for (const [name, call] of Object.entries(some)) answers[name] = await call(headers);
  return answers;
};
const all = (some: object, answer: string) => Object.fromEntries(Object.keys(some).map((name) => [name, answer]));

describe('a policy on the customer’s key', () => {
  let made: ReturnType<typeof calls>;
  beforeAll(async () => {
    await post('contoso/check', undefined);
    await until(async () => (await post('contoso/leases', {})).status === 200);
    await until(async () => (await post('contoso/indexes/email/tokens', { values: [plaintext] })).status === 200);
    made = calls(await store());
  });

  test('lets every call pass that it says nothing about', async () => {
    await tag({ 'vaultspan-deny': 'purpose=marketing', owner: 'security' });
    const { sealing, opening, both } = made;
    expect(await every({ ...sealing, ...opening, ...both })).toEqual(all({ ...sealing, ...opening, ...both }, '200'));
  });

  test('refuses denied contexts on every path, and leases', async () => {
    await tag({ 'vaultspan-deny': 'purpose=Payroll' });
    const { sealing, opening, both, tokens, lease, openLease } = made;
    const refused = '403 policy-refused vaultspan-deny';
    expect(await every({ ...sealing, ...opening, ...both })).toEqual(all({ ...sealing, ...opening, ...both }, refused));
    expect([await lease(), await openLease(), await tokens()]).toEqual([refused, refused, '200']);
  });

  test('allows only its operations', async () => {
    await tag({ 'vaultspan-operations': 'decrypt' });
    const { sealing, opening, both, tokens, lease, openLease } = made;
    const refused = '403 policy-refused vaultspan-operations';
    expect(await every({ ...sealing, ...both })).toEqual(all({ ...sealing, ...both }, refused));
    expect(await every(opening)).toEqual(all(opening, '200'));
    expect([await lease(), await openLease(), await tokens()]).toEqual([refused, refused, refused]);
    await tag({ 'vaultspan-operations': 'encrypt' });
    expect(await every({ ...opening, ...both })).toEqual(all({ ...opening, ...both }, refused));
    expect(await every(sealing)).toEqual(all(sealing, '200'));
  });

  test('requires a reason of every call, and refuses leases', async () => {
    await tag({ 'vaultspan-require-access': 'reason' });
    const { sealing, opening, both, tokens, lease } = made;
    const some = { ...sealing, ...opening, ...both, tokens };
    const refused = '403 policy-refused vaultspan-require-access';
    expect(await every(some)).toEqual(all(some, refused));
    expect(await every(some, { 'Access-Reason': 'ticket-4711' })).toEqual(all(some, '200'));
    expect(await lease()).toBe(refused);
  });

  test('refuses data keys, and leases, and nothing else', async () => {
    await tag({ 'vaultspan-data-keys': 'refused', 'vaultspan-leases': 'refused' });
    const { 'data-keys': dataKeys, ...sealing } = made.sealing;
    expect(await dataKeys()).toBe('403 policy-refused vaultspan-data-keys');
    expect([await made.lease(), await made.openLease()]).toEqual(
      Array.from({ length: 2 }, () => '403 policy-refused vaultspan-leases'),
    );
    expect(await every({ ...sealing, ...made.opening, ...made.both })).toEqual(
      all({ ...sealing, ...made.opening, ...made.both }, '200'),
    );
  });

  test('gives the names that it requires of a context to the holder of a lease', async () => {
    await tag({ 'vaultspan-require-context': 'row' });
    const { body } = await post('contoso/leases', {});
    expect(body.requiredContext).toEqual(['row']);
    expect(await made.sealing.encrypt()).toBe('403 policy-refused vaultspan-require-context');
    expect(await made.opening.decrypt()).toBe('200');
  });

  test('that cannot be read refuses everything under the key, and only under it', async () => {
    await tag({ 'vaultspan-deny': 'purpose' });
    const { sealing, opening, both, tokens, lease, openLease } = made;
    const some = { ...sealing, ...opening, ...both, tokens, lease, openLease };
    expect(await every(some)).toEqual(all(some, '409 tenant-misconfigured policy-unreadable'));
    expect((await post('contoso/wrap', { value: plaintext, key: 'wrap' })).status).toBe(200);
    const { body } = await post('contoso/encrypt', { plaintext });
    expect(body.fix).toMatchObject({ owner: 'customer-admin', action: expect.stringContaining('vaultspan-deny') });
    await tag({});
    expect(await every(some)).toEqual(all(some, '200'));
  });

  test('ends a stream under way', async () => {
    await tag({ 'vaultspan-leases': 'refused' });
    const begin = async (headers?: { context: object }) =>
      beginStream(service, '/tenants/contoso/streams/encrypt', { body: PIECE, token: await bearer(), ...headers });
    const stream = await begin();
    await service.emulator.control.setKeyAttributes({
      vault: 'contoso',
      key: 'data',
      tags: { 'vaultspan-operations': 'decrypt', 'vaultspan-tenant': 'contoso' },
    });
    service.clock.advance(301);
    stream.req.write(PIECE);
    expect(await stream.closed).toBe(false);
    const records = (await service.auditRecords()).filter(({ requestId }) => requestId === stream.requestId);
    expect(records.at(-1)).toMatchObject({ code: 'policy-refused', reason: 'vaultspan-operations' });
    await tag({});
  });
});

describe('a policy on a key for wrap', () => {
  const wrap = async (headers?: Record<string, string>) =>
    post('contoso/wrap', { value: plaintext, key: 'wrap' }, headers);

  test('refuses before the vault is called', async () => {
    const wrapped = (await wrap()).body;
    await tag({ 'vaultspan-operations': 'wrap' }, 'wrap');
    service.emulator.control.clearRequests();
    expect(told(await post('contoso/unwrap', wrapped))).toBe('403 policy-refused vaultspan-operations');
    expect(service.vaultCalls('contoso')).not.toContain('unwrapKey');
    expect(told(await wrap())).toBe('200');
    await tag({ 'vaultspan-require-access': 'subject' }, 'wrap');
    service.emulator.control.clearRequests();
    expect(told(await wrap())).toBe('403 policy-refused vaultspan-require-access');
    expect(service.vaultCalls('contoso')).not.toContain('wrapKey');
    expect(told(await wrap({ 'Access-Subject': 'jane' }))).toBe('200');
    expect((await service.auditRecords()).at(-1)?.['policy']).toMatch(/^[0-9a-f]{16}$/);
    await tag({ 'vaultspan-x': '1' }, 'wrap');
    expect(told(await wrap())).toBe('409 tenant-misconfigured policy-unreadable');
    await tag({}, 'wrap');
  });
});

describe('a policy is shown', () => {
  const tags = { 'vaultspan-leases': 'refused', 'vaultspan-deny': 'purpose=marketing' };
  const tenant = async () =>
    (
      await service
        .request()
        .get('/tenants/fabrikam')
        .set('Authorization', `Bearer ${await bearer()}`)
    ).body;

  test('by the tenant, the doctor and each record, with one hash', async () => {
    expect(await tenant()).not.toHaveProperty('keyPolicies');
    await tag(tags, 'data', 'fabrikam');
    const { keyPolicies } = await tenant();
    expect(keyPolicies).toEqual({ data: { state: 'in-force', policy: expect.stringMatching(/^[0-9a-f]{16}$/), tags } });
    const { policy } = keyPolicies.data;
    const { steps } = (await post('fabrikam/check', {})).body;
    const step = steps.find(({ name }: { readonly name: string }) => name === 'key data');
    expect(step.detail).toContain(`policy ${policy}: vaultspan-deny=purpose=marketing; vaultspan-leases=refused`);

    const { ciphertext } = (await post('fabrikam/encrypt', { plaintext })).body;
    await post('fabrikam/decrypt', { ciphertext });
    await post('fabrikam/batch/decrypt', { items: [{ ciphertext }] });
    await post('fabrikam/encrypt', { plaintext, encryptionContext: { purpose: 'marketing' } });
    const [sealed, opened, batch, refused] = (await service.auditRecords()).slice(-4);
    expect([sealed?.['policy'], opened?.['policy'], refused?.['policy']]).toEqual([policy, policy, policy]);
    expect(batch?.['keys']).toEqual([expect.objectContaining({ policy })]);
    expect(refused).toMatchObject({ outcome: 'refused', code: 'policy-refused', reason: 'vaultspan-deny' });
  });

  test('when it cannot be read, with the tag', async () => {
    await tag({ 'vaultspan-allow': 'all' }, 'data', 'fabrikam');
    const unreadable = { state: 'unreadable', detail: expect.stringContaining('vaultspan-allow') };
    expect((await tenant()).keyPolicies).toEqual({ data: unreadable });
    const { steps } = (await post('fabrikam/check', {})).body;
    const step = steps.find(({ name }: { readonly name: string }) => name === 'key data');
    expect(step).toMatchObject({ state: 'failed', reason: 'policy-unreadable' });
    await tag({}, 'data', 'fabrikam');
  });
});

describe('rules of the record', () => {
  const keyOf = async (body: object) =>
    /\/keys\/([a-z]+)\//.exec((await post('fabrikam/encrypt', { plaintext, ...body })).body.keyId)?.[1];

  test('pick the key of a call that names none, by its context', async () => {
    const matching = { purpose: 'payroll', team: 'hr', row: '1' };
    expect(await keyOf({ encryptionContext: matching })).toBe('archive');
    expect(await keyOf({ encryptionContext: matching, key: 'data' })).toBe('data');
    expect(await keyOf({ encryptionContext: { purpose: 'payroll' } })).toBe('data');
    expect(await keyOf({})).toBe('data');
    const { ciphertext } = (await post('fabrikam/encrypt', { plaintext, key: 'data', encryptionContext: matching }))
      .body;
    const moved = (await post('fabrikam/rewrap', { ciphertext, encryptionContext: matching })).body;
    expect(moved.keyId).toContain('/keys/archive/');
  });

  test.each([
    ['an unknown alias', [{ when: { a: 'b' }, key: 'none' }]],
    ['a key of another use', [{ when: { a: 'b' }, key: 'wrap' }]],
    ['no pair', [{ when: {}, key: 'data' }]],
    ['a value that is no text', [{ when: { a: 1 }, key: 'data' }]],
  ])('with %s are refused', async (_what, keyRules) => {
    const url = '/tenants/contoso';
    const authorization = { Authorization: `Bearer ${await bearer()}` };
    const { headers } = await service.request().get(url).set(authorization);
    const patch = service
      .request()
      .patch(url)
      .set({ ...authorization, 'If-Match': headers['etag'] ?? '' });
    const { status, body } = await patch.type('application/merge-patch+json').send(JSON.stringify({ keyRules }));
    expect([status, body.errors[0].pointer]).toEqual([400, expect.stringContaining('/keyRules/0')]);
  });
});
