import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ALL_ROLES, startService, type TestService } from '../support/start-service.ts';
import { postStream } from '../support/stream-client.ts';

const plaintext = Buffer.from('an invoice').toString('base64');
const encryptionContext = { purpose: 'payroll' };

let service: TestService;
/** The rewraps of messages, documents and streams of a tenant to another. */
let rewraps: (source: Side) => Readonly<Record<string, (headers?: Record<string, string>) => Promise<string>>>;
type Side = 'contoso' | 'fabrikam';
const otherOf = (side: Side): Side => (side === 'contoso' ? 'fabrikam' : 'contoso');

const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
  service.post(`/tenants/${path}`, body, await service.emulator.issueCallerToken({ roles: ALL_ROLES })).set(headers);

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** `200`, or code and reason; of a batch, those of its first item. */
function told({ status, body }: Answer): string {
  const [first] = (body['items'] ?? []) as readonly { readonly error?: Record<string, unknown> }[];
  const problem = first?.error ?? (status === 200 ? undefined : body);
  return problem ? `${String(problem['code'])} ${String(problem['reason'])}` : String(status);
}

beforeAll(async () => {
  service = await startService({ compact: 'enabled' });
  const token = await service.emulator.issueCallerToken({ roles: ALL_ROLES });
  const stored = async (tenant: Side) => {
    const { ciphertext } = (await post(`${tenant}/encrypt`, { plaintext, encryptionContext })).body;
    const documents = { fields: { a: plaintext }, encryptionContext };
    const { fields } = (await post(`${tenant}/documents/encrypt`, documents)).body;
    const body = Buffer.from('text');
    const path = `/tenants/${tenant}/streams/encrypt`;
    const stream = (await postStream(service, path, { body, context: encryptionContext, token })).body;
    return { ciphertext, fields, header: stream.toString('latin1', 10, 10 + stream.readUInt32BE(6)) };
  };
  const data = { contoso: await stored('contoso'), fabrikam: await stored('fabrikam') };
  rewraps = (source) => {
    const { ciphertext, fields, header } = data[source];
    const common = { encryptionContext, to: { tenantId: otherOf(source) } };
    const call = (path: string, body: object) => async (headers?: Record<string, string>) =>
      told(await post(`${source}/${path}`, body, headers));
    return {
      rewrap: call('rewrap', { ciphertext, ...common }),
      'batch/rewrap': call('batch/rewrap', { items: [{ ciphertext, ...common }] }),
      'documents/rewrap': call('documents/rewrap', { fields, ...common }),
      'streams/rewrap-header': call('streams/rewrap-header', { ciphertext: header, ...common }),
    };
  };
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Sets both policies, and lets so much time pass that every process has read them. */
async function setPolicies(policies: Readonly<Record<Side, Record<string, string>>>): Promise<void> {
  for (const [vault, tags] of Object.entries(policies)) {
    const all = { ...tags, 'vaultspan-tenant': vault };
    await service.emulator.control.setKeyAttributes({ vault, key: 'data', tags: all });
  }
  service.clock.advance(1_201);
}

/** Returns the answer of every kind of rewrap if they are the same. */
async function answerOf(source: Side, headers?: Record<string, string>): Promise<string> {
  const answers: string[] = [];
  for (const rewrap of Object.values(rewraps(source))) answers.push(await rewrap(headers));
  return [...new Set(answers)].join(', ');
}

test('a rewrap between tenants needs that the source permits decrypt and the target encrypt', async () => {
  await setPolicies({
    contoso: { 'vaultspan-operations': 'decrypt' },
    fabrikam: { 'vaultspan-operations': 'encrypt' },
  });
  expect(await answerOf('contoso')).toBe('200');
  expect(await answerOf('fabrikam')).toBe('policy-refused vaultspan-operations');
  await setPolicies({ contoso: {}, fabrikam: { 'vaultspan-operations': 'decrypt' } });
  expect(await answerOf('contoso')).toBe('policy-refused vaultspan-operations');
  expect(await answerOf('fabrikam')).toBe('200');
});

test.each<[Side]>([['contoso'], ['fabrikam']])(
  'a context that %s denies is moved neither from it nor to it',
  async (side) => {
    const denied = { 'vaultspan-deny': 'purpose=payroll' };
    await setPolicies({ contoso: {}, fabrikam: {}, [side]: denied });
    expect(await answerOf(side)).toBe('policy-refused vaultspan-deny');
    expect(await answerOf(otherOf(side))).toBe('policy-refused vaultspan-deny');
    await setPolicies({ contoso: {}, fabrikam: {}, [side]: { 'vaultspan-deny': 'purpose=marketing' } });
    expect([await answerOf(side), await answerOf(otherOf(side))]).toEqual(['200', '200']);
  },
);

test('names that a policy requires of a context count for the target alone', async () => {
  await setPolicies({ contoso: { 'vaultspan-require-context': 'row' }, fabrikam: {} });
  expect(await answerOf('contoso')).toBe('200');
  expect(await answerOf('fabrikam')).toBe('policy-refused vaultspan-require-context');
});

test('claims are needed that either policy requires', async () => {
  await setPolicies({
    contoso: { 'vaultspan-require-access': 'subject' },
    fabrikam: { 'vaultspan-require-access': 'reason' },
  });
  const refused = 'policy-refused vaultspan-require-access';
  for (const source of ['contoso', 'fabrikam'] as const) {
    expect(await answerOf(source)).toBe(refused);
    expect(await answerOf(source, { 'Access-Subject': 'jane' })).toBe(refused);
    expect(await answerOf(source, { 'Access-Reason': 'ticket' })).toBe(refused);
    expect(await answerOf(source, { 'Access-Subject': 'jane', 'Access-Reason': 'ticket' })).toBe('200');
  }
});

test('an unreadable policy of either refuses', async () => {
  await setPolicies({ contoso: {}, fabrikam: { 'vaultspan-deny': 'purpose' } });
  const unreadable = 'tenant-misconfigured policy-unreadable';
  expect([await answerOf('contoso'), await answerOf('fabrikam')]).toEqual([unreadable, unreadable]);
});

test("each tenant's record has the hash of its own policy", async () => {
  await setPolicies({ contoso: { 'vaultspan-bound': '60' }, fabrikam: { 'vaultspan-leases': 'refused' } });
  expect(await answerOf('contoso')).toBe('200');
  const records = (await service.auditRecords()).slice(-2);
  const hashes = records.map(({ tenantId, policy }) => [tenantId, policy]);
  expect(hashes.toSorted()).toEqual([
    ['contoso', expect.stringMatching(/^[0-9a-f]{16}$/)],
    ['fabrikam', expect.stringMatching(/^[0-9a-f]{16}$/)],
  ]);
  expect(records[0]?.['policy']).not.toBe(records[1]?.['policy']);
});
