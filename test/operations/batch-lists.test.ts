import { describe, expect, test } from '@jest/globals';
import type { Role } from '../../src/callers/principal.ts';
import { ServiceError } from '../../src/errors.ts';
import {
  encodeOpenedItems,
  encodeSealedItems,
  openedFrame,
  sealedFrame,
} from '../../src/http/answers/encode-answer.ts';
import { dataReaders } from '../../src/http/bodies/data-readers.ts';
import { base64Of } from '../../src/lib/json-safe.ts';
import { decryptLists } from '../../src/operations/lists/decrypt-lists.ts';
import { encryptLists } from '../../src/operations/lists/encrypt-lists.ts';
import { countOf, type ListResult } from '../../src/operations/lists/lists.ts';
import { rewrapLists } from '../../src/operations/lists/rewrap-lists.ts';
import { BOUND, CMK_V1, call, Deployment, encryptedKeyOf, HSM_KEY, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';

type Process = ReturnType<Deployment['start']>;
type Change = Partial<ReturnType<Process['deps']>>;

interface Item {
  readonly ciphertext?: string;
  readonly plaintext?: string;
  readonly keyId?: string;
  /** The code of the failure. */
  readonly error?: string;
}

/** Results of a list, and how many of them were made together. */
interface Listed {
  readonly items: readonly Item[];
  readonly together: number;
}

const codeOf = ({ failure }: { readonly failure: unknown }) =>
  failure instanceof ServiceError ? failure.code : failure;

function listed<T, R>(
  { done, rest }: ListResult<T>,
  resultOf: (value: T) => R,
  encode: (answer: never) => unknown,
): Listed {
  const others = rest.map((one) => ('value' in one ? resultOf(one.value) : { error: codeOf(one) }));
  const pieces = encode({ items: [...done, ...others] } as never) as readonly Buffer[];
  const { items } = JSON.parse(Buffer.concat(pieces).toString()) as { readonly items: Item[] };
  return { items, together: countOf(done) };
}

/** What the items have besides their text. */
type Others = (n: number) => object;
interface With extends Change {
  readonly others?: Others;
  readonly request?: typeof call;
  readonly failures?: unknown[];
}
/** Encrypts texts as the route does. */
async function encrypt(process: Process, texts: readonly string[], { others, failures = [], ...change }: With = {}) {
  const items = texts.map((text, n) => ({ plaintext: Buffer.from(text).toString('base64'), ...others?.(n) }));
  const body = dataReaders.encryptBatch(Buffer.from(JSON.stringify({ items })));
  const batch = listBatch(body, sealedFrame, failures);
  const result = await encryptLists({ ...process.deps(), ...change }, call, batch);
  return listed(result, ({ ciphertext, keyId }) => ({ ciphertext, keyId }), encodeSealedItems);
}

async function decrypt(
  process: Process,
  ciphertexts: readonly string[],
  { others, failures = [], ...change }: With = {},
) {
  const items = ciphertexts.map((ciphertext, n) => ({ ciphertext, ...others?.(n) }));
  const body = dataReaders.decryptBatch(Buffer.from(JSON.stringify({ items })));
  const batch = listBatch(body, openedFrame, failures);
  const result = await decryptLists({ ...process.deps(), ...change }, call, batch);
  return listed(result, ({ plaintext, keyId }) => ({ plaintext: base64Of(plaintext), keyId }), encodeOpenedItems);
}

async function rewrap(
  process: Process,
  ciphertexts: readonly string[],
  { others, request = call, failures = [], ...change }: With = {},
) {
  const items = ciphertexts.map((ciphertext, n) => ({ ciphertext, ...others?.(n) }));
  const body = dataReaders.rewrapBatch(Buffer.from(JSON.stringify({ items })));
  const batch = listBatch(body, sealedFrame, failures);
  const result = await rewrapLists({ ...process.deps(), ...change }, request, batch);
  return listed(result, ({ ciphertext, keyId }) => ({ ciphertext, keyId }), encodeSealedItems);
}

function listBatch<I, R>(
  body: { readonly ready: readonly I[]; readonly list?: readonly R[] } | undefined,
  frameOf: typeof sealedFrame,
  failures: unknown[],
) {
  if (!body?.list) throw new Error('no list');
  return {
    tenantId: 'contoso',
    runs: body.list,
    frameOf,
    items: () => body.ready.map((item) => () => item),
    onFailure: (failure: unknown) => void failures.push(failure),
  };
}

const texts = (count: number) => Array.from({ length: count }, (_, n) => `row ${n}`.padEnd(n % 40, '.'));
const messagesIn = ({ items }: Listed): string[] => items.map(({ ciphertext = '' }) => ciphertext);
const textsIn = ({ items }: Listed) => items.map(({ plaintext = '' }) => Buffer.from(plaintext, 'base64').toString());
const codesIn = ({ items }: Listed) => items.map(({ error }) => error ?? 'ok');

/** Returns a process whose data key is in memory, to seal and to open. */
async function warm(change: Parameters<typeof tenantRecord>[0] = {}) {
  const deployment = new Deployment(change);
  const process = deployment.start();
  await process.decrypt(await process.encrypt());
  return { deployment, process, vault: deployment.vault };
}

const compact = () => {
  const { keys } = tenantRecord();
  const [cmk] = Object.values(keys);
  if (!cmk) throw new Error('no key');
  return { keys: { ...keys, cmk: { ...cmk, form: 'compact' as const } } };
};

async function warmCompact() {
  const deployment = new Deployment(compact());
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0 };
  deployment.withKeyring();
  const process = deployment.start();
  await process.decrypt(await process.encrypt());
  return { deployment, process, vault: deployment.vault };
}

describe.each([
  ['self-contained', warm],
  ['compact', warmCompact],
])('a list of %s messages', (_form, prepare) => {
  test.each([0, 1, 128, 129, 400])('of %i items is made together, and opens in order', async (count) => {
    const { process } = await prepare();
    const sealed = await encrypt(process, texts(count));
    expect(sealed.together).toBe(count);
    expect(new Set(messagesIn(sealed)).size).toBe(count);
    const opened = await decrypt(process, messagesIn(sealed));
    expect(textsIn(opened)).toEqual(texts(count));
    expect(opened.together).toBe(count);
    const single = await Promise.all(messagesIn(sealed).map((message) => process.decrypt(message)));
    expect(single.map(String)).toEqual(texts(count));
    expect([...sealed.items, ...opened.items].every(({ keyId }) => keyId === CMK_V1)).toBe(true);
    const bytes = texts(count).join('').length;
    const record = { bytes, items: count === 0 ? {} : { succeeded: count }, outcome: 'succeeded' };
    expect(process.audited.filter(({ operation }) => operation.startsWith('batch'))).toMatchObject([
      { ...record, operation: 'batch-encrypt', keys: count === 0 ? [] : [{ keyId: CMK_V1, count }] },
      { ...record, operation: 'batch-decrypt', keys: count === 0 ? [] : [{ keyId: CMK_V1, count }] },
    ]);
  });

  test('with a wrong message in its second chunk opens all others', async () => {
    const { process } = await prepare();
    const messages = messagesIn(await encrypt(process, texts(300)));
    const wrong = messages.map((message, n) => (n === 200 ? message.replace(/.{23}$/, `.${'A'.repeat(22)}`) : message));
    const opened = await decrypt(process, wrong);
    expect(opened.together).toBe(128);
    expect(codesIn(opened)).toEqual(texts(300).map((_, n) => (n === 200 ? 'undecryptable' : 'ok')));
    expect(textsIn(opened).filter((text) => text !== '')).toEqual(texts(300).filter((_, n) => n !== 200));
    expect(process.audited.at(-1)?.items).toEqual({ succeeded: 299, undecryptable: 1 });
  });

  test('whose key is not in memory is processed all the same', async () => {
    const { deployment, process } = await prepare();
    const messages = messagesIn(await encrypt(process, texts(20)));
    const cold = deployment.start();
    const opened = await decrypt(cold, messages);
    expect(opened.together).toBe(0);
    expect(textsIn(opened)).toEqual(texts(20));
    expect((await decrypt(cold, messages)).together).toBe(20);
    expect(codesIn(await encrypt(deployment.start(), texts(20)))).toEqual(Array(20).fill('ok'));
    expect(cold.backgroundFailures).toEqual([]);
  });

  test('whose access has ended is refused item by item', async () => {
    const { deployment, process, vault } = await prepare();
    const messages = messagesIn(await encrypt(process, texts(20)));
    vault.answer = () => {
      throw refusal('role-missing');
    };
    deployment.clock.advance(BOUND);
    for (const result of [await decrypt(process, messages), await encrypt(process, texts(20))]) {
      expect(result.together).toBe(0);
      expect(codesIn(result)).toEqual(Array(20).fill('access-revoked'));
    }
  });

  test("whose key has a policy against it is refused item by item, with the customer's tag", async () => {
    const { deployment, process, vault } = await prepare();
    const messages = messagesIn(await encrypt(process, texts(20)));
    vault.change(CMK_V1, { tags: { 'vaultspan-operations': 'encrypt' } });
    deployment.clock.advance(20 * 60);
    expect(codesIn(await decrypt(process, messages))).toEqual(Array(20).fill('policy-refused'));
    expect(codesIn(await decrypt(process, messages))).toEqual(Array(20).fill('policy-refused'));
    vault.change(CMK_V1, { tags: { 'vaultspan-operations': 'decrypt' } });
    deployment.clock.advance(20 * 60);
    expect(codesIn(await encrypt(process, texts(20)))).toEqual(Array(20).fill('policy-refused'));
    expect(codesIn(await encrypt(process, texts(20)))).toEqual(Array(20).fill('policy-refused'));
  });

  test('whose tenant is suspended between two slices refuses the rest', async () => {
    const { deployment, process } = await prepare();
    const messages = messagesIn(await encrypt(process, texts(400)));
    const suspendedAfterOneChunk = (): Change => ({
      countKeyUse: () => void spend(5),
      slices: {
        next: async () => {
          deployment.register(tenantRecord({ state: 'suspended', revision: '2' }));
          deployment.clock.advance(1);
        },
      } as NonNullable<Change['slices']>,
    });
    const opened = await decrypt(process, messages, suspendedAfterOneChunk());
    expect(codesIn(opened)).toEqual([...Array(128).fill('ok'), ...Array(272).fill('tenant-suspended')]);
    expect(process.audited.at(-1)?.items).toEqual({ succeeded: 128, 'tenant-suspended': 272 });
    deployment.register(tenantRecord({ ...compactIf(messages), revision: '3' }));
    await process.decrypt(await process.encrypt());
    const sealed = await encrypt(process, texts(400), suspendedAfterOneChunk());
    expect(codesIn(sealed)).toEqual([...Array(128).fill('ok'), ...Array(272).fill('tenant-suspended')]);
  });

  test.each<[string, Others]>([
    ['the same alias', () => ({ key: 'cmk' })],
    ['the same context', () => ({ encryptionContext: { table: 'invoices' } })],
    ['an alias and a context', () => ({ encryptionContext: { table: 'invoices', row: '1' }, key: 'cmk' })],
    ['contexts that change now and then', (n) => ({ encryptionContext: { row: `${Math.floor(n / 50)}` } })],
    ['their own context for a few', (n) => (n % 50 === 0 ? { encryptionContext: { row: `${n}` } } : {})],
  ])('with %s is made together, moves together, and opens together', async (_what, others) => {
    const { process } = await prepare();
    const withoutKey: Others = (n) => {
      const { encryptionContext } = others(n) as { readonly encryptionContext?: object };
      return encryptionContext ? { encryptionContext } : {};
    };
    const sealed = await encrypt(process, texts(200), { others });
    const moved = await rewrap(process, messagesIn(sealed), { others: withoutKey });
    const opened = await decrypt(process, messagesIn(moved), { others: withoutKey });
    expect([sealed, moved, opened].map(({ together }) => together)).toEqual([200, 200, 200]);
    expect(textsIn(opened)).toEqual(texts(200));
    expect(new Set([...messagesIn(sealed), ...messagesIn(moved)]).size).toBe(400);
    expect(textsIn(await decrypt(process, messagesIn(sealed), { others: withoutKey }))).toEqual(texts(200));
    const single = messagesIn(moved).map((message, n) => process.decrypt(message, { context: withoutKey(n) as never }));
    expect((await Promise.allSettled(single)).length).toBe(200);
    const wrong = await decrypt(process, messagesIn(moved), { others: () => ({ encryptionContext: { row: 'x' } }) });
    expect(wrong.items.every(({ error }) => error !== undefined)).toBe(true);
    const [batchEncrypt, batchRewrap] = process.audited.filter(({ operation }) => operation.startsWith('batch'));
    const bytes = texts(200).join('').length;
    const record = { bytes, items: { succeeded: 200 }, outcome: 'succeeded', keys: [{ keyId: CMK_V1, count: 200 }] };
    expect([batchEncrypt, batchRewrap]).toMatchObject([record, record]);
  });

  test('that moves with a wrong message moves all others', async () => {
    const { process } = await prepare();
    const messages = messagesIn(await encrypt(process, texts(200)));
    const wrong = messages.map((message, n) => (n === 150 ? message.replace(/.{23}$/, `.${'A'.repeat(22)}`) : message));
    const moved = await rewrap(process, wrong);
    expect(moved.together).toBe(128);
    expect(codesIn(moved)).toEqual(texts(200).map((_, n) => (n === 150 ? 'undecryptable' : 'ok')));
    expect(process.audited.at(-1)?.items).toEqual({ succeeded: 199, undecryptable: 1 });
  });

  test('that moves to an unknown key, or to another tenant, has the outcome of each item', async () => {
    const { deployment, process } = await prepare();
    deployment.register(tenantRecord({ id: 'fabrikam' }));
    const messages = messagesIn(await encrypt(process, texts(20)));
    const unknown = await rewrap(process, messages, { others: () => ({ to: { key: 'none' } }) });
    expect(codesIn(unknown)).toEqual(Array(20).fill('unknown-key-alias'));
    const elsewhere = await rewrap(process, messages, { others: () => ({ to: { tenantId: 'fabrikam' } }) });
    expect(elsewhere.together).toBe(0);
    expect(codesIn(elsewhere)).toEqual(Array(20).fill('ok'));
  });

  test('that moves without the role to encrypt is refused item by item', async () => {
    const { process } = await prepare();
    const messages = messagesIn(await encrypt(process, texts(20)));
    const principal = { ...call.principal, roles: new Set<Role>(['Data.Decrypt']) };
    const moved = await rewrap(process, messages, { request: { ...call, principal } });
    expect(codesIn(moved)).toEqual(Array(20).fill('grant-missing'));
  });

  test('whose processing fails unexpectedly is processed item by item, and the error is reported once', async () => {
    const { process } = await prepare();
    const fault = new Error('a fault');
    let calls = 0;
    const countKeyUse = (_tenant: string, _key: string, _use: string, count = 1) => {
      calls += 1;
      if (count > 1) throw fault;
    };
    const failures: unknown[] = [];
    const sealed = await encrypt(process, texts(20), { countKeyUse, failures });
    expect(codesIn(sealed)).toEqual(Array(20).fill('ok'));
    const opened = await decrypt(process, messagesIn(sealed), { countKeyUse, failures });
    expect(textsIn(opened)).toEqual(texts(20));
    expect(failures).toEqual([fault, fault]);
    expect(calls).toBe(42);
    await rewrap(process, messagesIn(sealed), { others: () => ({ to: { key: 'none' } }), failures });
    expect(failures).toHaveLength(2);
  });

  test('is counted as each of its messages is', async () => {
    const { process } = await prepare();
    const counted: unknown[] = [];
    const countKeyUse = (...use: unknown[]) => void counted.push(use);
    const messages = messagesIn(await encrypt(process, texts(20), { countKeyUse }));
    await decrypt(process, messages, { countKeyUse });
    expect(counted).toEqual([
      ['contoso', CMK_V1, 'sealed', 20],
      ['contoso', CMK_V1, 'opened', 20],
    ]);
  });
});

const compactIf = ([message = '']: readonly string[]) => (encryptedKeyOf(message) === '' ? compact() : {});

/** Work on the main thread that is longer than a slice. */
function spend(milliseconds: number): void {
  const endsAt = performance.now() + milliseconds;
  while (performance.now() < endsAt);
}

test('a data key seals no more messages of a list than its bound', async () => {
  const { process } = await warm({ dataKeys: { maxMessages: 100 } });
  const messages = messagesIn(await encrypt(process, texts(250)));
  const counts = Map.groupBy(messages, encryptedKeyOf)
    .values()
    .map(({ length }) => length)
    .toArray();
  expect(counts.length).toBeGreaterThanOrEqual(3);
  expect(Math.max(...counts)).toBeLessThanOrEqual(100);
  expect(textsIn(await decrypt(process, messages))).toEqual(texts(250));
});

test('a list that a policy refuses takes no more uses of a data key than its items', async () => {
  const { deployment, process, vault } = await warm({ dataKeys: { maxMessages: 100 } });
  const before = encryptedKeyOf(await process.encrypt());
  const setTags = async (tags: Readonly<Record<string, string>>) => {
    vault.change(CMK_V1, { tags });
    deployment.clock.advance(20 * 60);
    await encrypt(process, texts(1));
    await encrypt(process, texts(1));
  };
  await setTags({ 'vaultspan-operations': 'decrypt' });
  const refused = await encrypt(process, texts(60));
  expect(codesIn(refused)).toEqual(Array(60).fill('policy-refused'));
  await setTags({});
  expect(encryptedKeyOf(await process.encrypt())).toBe(before);
});

test('a data key seals no more bytes of a list than its bound', async () => {
  const { process } = await warm({ dataKeys: { maxBytes: 2 ** 20 } });
  const long = Array.from({ length: 500 }, () => 'a'.repeat(4_096));
  const messages = messagesIn(await encrypt(process, long));
  const counts = Map.groupBy(messages, encryptedKeyOf)
    .values()
    .map(({ length }) => length)
    .toArray();
  expect(Math.max(...counts)).toBeLessThanOrEqual(256);
});

test('with a data key for each message, no two of a list share one', async () => {
  const { process } = await warm({ dataKeys: { mode: 'perMessage' } });
  const sealed = await encrypt(process, texts(20));
  expect(sealed.together).toBe(0);
  expect(new Set(messagesIn(sealed).map(encryptedKeyOf)).size).toBe(20);
});

test('a list under a key that needs names in the context is refused item by item', async () => {
  const { process } = await warm();
  const deployment = new Deployment({ requiredContext: ['id'] });
  const other = deployment.start();
  await other.encrypt('a', { context: { id: '1' } });
  expect(codesIn(await encrypt(other, texts(3)))).toEqual(Array(3).fill('malformed-request'));
  expect(codesIn(await encrypt(process, texts(3)))).toEqual(Array(3).fill('ok'));
});

test('messages of several keys are opened together, each by its own', async () => {
  const { process } = await warm();
  const one = messagesIn(await encrypt(process, texts(20)));
  const other = await Promise.all(texts(20).map((text) => process.encrypt(text, { key: 'hsm' })));
  await process.decrypt(other[0] ?? '');
  const opened = await decrypt(process, [...one, ...other]);
  expect(opened.together).toBe(40);
  expect(textsIn(opened)).toEqual([...texts(20), ...texts(20)]);
  expect(process.audited.at(-1)?.keys).toMatchObject([
    { keyId: CMK_V1, count: 20 },
    { keyId: HSM_KEY, count: 20 },
  ]);
});

test("another tenant's messages and messages with a context fail each for itself", async () => {
  const { deployment, process } = await warm();
  deployment.register(tenantRecord({ id: 'fabrikam' }));
  const foreign = await Promise.all(texts(9).map((text) => process.encrypt(text, { tenantId: 'fabrikam' })));
  const context = { table: 'invoices' };
  const bound = await Promise.all(texts(9).map((text) => process.encrypt(text, { context })));
  const ours = messagesIn(await encrypt(process, texts(9)));
  expect(codesIn(await decrypt(process, [...ours, ...foreign, ...bound]))).toEqual([
    ...Array(9).fill('ok'),
    ...Array(9).fill('wrong-tenant'),
    ...Array(9).fill('context-mismatch'),
  ]);
  expect((await decrypt(process, ours)).together).toBe(9);
  expect(codesIn(await decrypt(process, foreign))).toEqual(Array(9).fill('wrong-tenant'));
  expect(codesIn(await decrypt(process, bound))).toEqual(Array(9).fill('context-mismatch'));
});
