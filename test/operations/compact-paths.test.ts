import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isCompact } from '../../src/format/compact.ts';
import { BranchTable } from '../support/branch-rows.ts';
import { compactCalls } from '../support/compact-calls.ts';
import { runCli } from '../support/run-cli.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { postStream } from '../support/stream-client.ts';

const PLAINTEXT = Buffer.from('a value').toString('base64');
const CONTEXT = { encryptionContext: { row: '1' } };
const SELF_CONTAINED = { to: { form: 'self-contained' } };

let service: TestService;
beforeAll(async () => {
  // Fabrikam's default key is self-contained, its archive key compact.
  const mixed = (record: Record<string, unknown>) => {
    const keys = record['keys'] as Record<string, object>;
    if (record['id'] !== 'fabrikam') return record;
    return { ...record, keys: { ...keys, data: { ...keys['data'], form: 'self-contained' } } };
  };
  const metrics = { metrics: { enabled: true, port: 0 } };
  service = await startService({ compact: 'enabled', tenant: mixed, config: metrics });
});
afterAll(async () => service[Symbol.asyncDispose]());

const { post, encrypt, decrypt, token, startWith } = compactCalls(() => service);
const at = async (path: string, body: object, tenant?: string) => (await post(service, path, body, tenant)).body;

interface Item {
  readonly ciphertext: string;
}
const headerOf = (stream: Buffer): string => stream.toString('latin1', 10, 10 + stream.readUInt32BE(6));

describe('under a compact key, a compact message is what is returned by', () => {
  test('encrypt, with and without a context, and decrypt opens it under that context alone', async () => {
    const [plain, bound] = [await encrypt(service), await encrypt(service, CONTEXT)];
    expect([isCompact(plain), isCompact(bound)]).toEqual([true, true]);
    expect(await decrypt(service, bound, CONTEXT)).toBe('a value');
    expect(await decrypt(service, bound)).toBe('undecryptable');
    expect(await decrypt(service, plain, CONTEXT)).toBe('undecryptable');
  });

  test('encrypt in a batch, and its batch opens', async () => {
    const items = [{ plaintext: PLAINTEXT }, { plaintext: PLAINTEXT, ...CONTEXT }];
    const sealed = (await at('batch/encrypt', { items })) as { readonly items: readonly Item[] };
    expect(sealed.items.map(({ ciphertext }) => isCompact(ciphertext))).toEqual([true, true]);
    const opened = await at('batch/decrypt', { items: sealed.items.map(only) });
    expect(opened.items[0]).toMatchObject({ plaintext: PLAINTEXT });
    expect(opened.items[1]).toMatchObject({ error: { code: 'undecryptable' } });
  });

  test('data-keys, whose key decrypt returns', async () => {
    const { plaintext, ciphertext } = await at('data-keys', {});
    expect(isCompact(ciphertext)).toBe(true);
    expect((await at('decrypt', { ciphertext })).plaintext).toBe(plaintext);
  });

  test('documents, whose fields open only under their names', async () => {
    const fields = { name: PLAINTEXT, street: PLAINTEXT };
    const sealed = (await at('documents/encrypt', { fields })).fields as Readonly<Record<'name' | 'street', string>>;
    expect(Object.values(sealed).map(isCompact)).toEqual([true, true]);
    expect((await at('documents/decrypt', { fields: sealed })).fields).toEqual(fields);
    const swapped = { name: sealed.street, street: sealed.name };
    expect(await at('documents/decrypt', { fields: swapped })).toMatchObject({ code: 'undecryptable' });
    expect(await decrypt(service, sealed.name)).toBe('undecryptable');
    const moved = (await at('documents/rewrap', { fields: sealed, ...SELF_CONTAINED })).fields;
    expect(Object.values<string>(moved).map(isCompact)).toEqual([false, false]);
    expect((await at('documents/decrypt', { fields: moved })).fields).toEqual(fields);
  });

  test('streams as their header, which opens as a stream alone', async () => {
    const sealed = await postStream(service, '/tenants/contoso/streams/encrypt', { body: Buffer.from('an invoice') });
    const header = headerOf(sealed.body);
    expect(isCompact(header)).toBe(true);
    const opened = await postStream(service, '/tenants/contoso/streams/decrypt', { body: sealed.body });
    expect(opened.body.toString()).toBe('an invoice');
    expect(await decrypt(service, header)).toBe('undecryptable');
    expect(await at('rewrap', { ciphertext: header })).toMatchObject({ code: 'undecryptable' });
    const message = await encrypt(service);
    expect(await at('streams/rewrap-header', { ciphertext: message })).toMatchObject({ code: 'undecryptable' });
    const moved = await at('streams/rewrap-header', { ciphertext: header, ...SELF_CONTAINED });
    expect(isCompact(moved.ciphertext)).toBe(false);
    expect(isCompact((await at('streams/rewrap-header', { ciphertext: moved.ciphertext })).ciphertext)).toBe(true);
  });

  test('rewrap of a self-contained message, and of one of another tenant', async () => {
    const old = await encrypt(service, {}, 'fabrikam');
    expect(isCompact(old)).toBe(false);
    const moved = (await at('rewrap', { ciphertext: old, to: { key: 'archive' } }, 'fabrikam')) as Item;
    expect(isCompact(moved.ciphertext)).toBe(true);
    const given = (await at(
      'rewrap',
      { ciphertext: moved.ciphertext, to: { tenantId: 'contoso' } },
      'fabrikam',
    )) as Item;
    expect(isCompact(given.ciphertext)).toBe(true);
    expect(await decrypt(service, given.ciphertext)).toBe('a value');
    expect(await decrypt(service, given.ciphertext, {}, 'fabrikam')).toBe('unknown-key branch-unknown');
    const items = [{ ciphertext: given.ciphertext }, { ciphertext: given.ciphertext, ...SELF_CONTAINED }];
    const batch = (await at('batch/rewrap', { items })) as { readonly items: readonly Item[] };
    expect(batch.items.map(({ ciphertext }) => isCompact(ciphertext))).toEqual([true, false]);
  });
});

const only = ({ ciphertext }: Item): Item => ({ ciphertext });

describe('to.form', () => {
  test('is refused where the key is not compact, in messages, documents and headers', async () => {
    const ciphertext = await encrypt(service, {}, 'fabrikam');
    const refused = { code: 'malformed-request', errors: [{ pointer: '/to/form' }] };
    const to = { form: 'compact' };
    expect(await at('rewrap', { ciphertext, to }, 'fabrikam')).toMatchObject(refused);
    expect(await at('documents/rewrap', { fields: { a: ciphertext }, to }, 'fabrikam')).toMatchObject(refused);
    expect(await at('rewrap', { ciphertext, to: { form: 'short' } }, 'fabrikam')).toMatchObject(refused);
    const moved = await at('rewrap', { ciphertext, to: { ...to, key: 'archive' } }, 'fabrikam');
    expect(isCompact(moved.ciphertext)).toBe(true);
  });
});

interface Step {
  readonly name: string;
  readonly state: string;
  readonly warnings?: readonly string[];
}

describe('the doctor', () => {
  const stepOf = async (tenant: string, name: string) => {
    const bearer = await token(['Tenants.Manage']);
    const { body } = await service.post(`/tenants/${tenant}/check`, '', bearer);
    return (body as { readonly steps: readonly Step[] }).steps.find((step) => step.name === name);
  };

  test('encrypts and decrypts a compact message under each compact key, and under no other', async () => {
    expect(await stepOf('contoso', 'compact with data')).toMatchObject({ state: 'passed' });
    expect(await stepOf('contoso', 'compact with data')).not.toHaveProperty('warnings');
    expect(await stepOf('fabrikam', 'compact with archive')).toMatchObject({ state: 'passed' });
    expect(await stepOf('fabrikam', 'compact with data')).toBeUndefined();
    expect(await stepOf('northwind', 'compact with data')).toMatchObject({ state: 'skipped' });
  });

  test('warns where no branch key may encrypt', async () => {
    const table = new BranchTable(service.folder);
    const [row] = table.rows();
    table.run("update keyring_keys set copied_digest = null where tenant_id = 'contoso'");
    const metrics = { enabled: true, port: 0 };
    await using other = await startWith({ settleSeconds: 0, recheckSeconds: 300, copies: 'export' }, { metrics });
    const bearer = await token(['Tenants.Manage']);
    const { body } = await other.post('/tenants/contoso/check', '', bearer);
    const found = (body as { readonly steps: readonly Step[] }).steps.find(({ name }) => name === 'compact with data');
    expect(found).toMatchObject({ state: 'passed', warnings: [expect.stringContaining('no branch key may encrypt')] });
    const scraped = await (await fetch(other.metricsUrl)).text();
    expect(scraped).toMatch(/^vaultspan_branch_not_ready_total\{reason="uncopied"\} [1-9]/m);
    expect(scraped).toMatch(/^vaultspan_branch_keys_uncopied 1$/m);
    table.run('update keyring_keys set copied_digest = ? where id = ?', row?.copied_digest ?? null, row?.id ?? '');
  });
});

test('uses under the branch of a key count for its version, and branch keys are in the metrics', async () => {
  const used = await encrypt(service);
  expect(await decrypt(service, used)).toBe('a value');
  const bearer = `Bearer ${await token(['Tenants.Read'])}`;
  const { body } = await service.request().get('/tenants/contoso').set('Authorization', bearer);
  const [usage] = (body as { readonly keyUsage: readonly { readonly sealed: number; readonly opened: number }[] })
    .keyUsage;
  expect(usage?.sealed).toBeGreaterThan(0);
  expect(usage?.opened).toBeGreaterThan(0);
  const scraped = await (await fetch(service.metricsUrl)).text();
  expect(scraped).toMatch(/^vaultspan_branch_keys_held [1-9]/m);
  expect(scraped).toMatch(/^vaultspan_branch_events_total\{event="branch-created"\} [1-9]/m);
  expect(scraped).toMatch(/^vaultspan_branch_disagreements_total 0$/m);
});

test('the commands for files encrypt, move and decrypt under a compact key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-files-'));
  try {
    await writeFile(join(folder, 'in'), 'an invoice');
    const env = { VAULTSPAN_URL: service.url, VAULTSPAN_TOKEN: service.token() };
    const run = async (...args: readonly string[]) => runCli([...args], { cwd: folder, env }).exitCode;
    const form = async () => isCompact(headerOf(await readFile(join(folder, 'sealed'))));
    expect(await run('encrypt-file', 'in', '--tenant', 'contoso', '-o', 'sealed')).toBe(0);
    expect(await form()).toBe(true);
    expect(await run('rewrap-file', 'sealed', '--tenant', 'contoso', '--form', 'self-contained')).toBe(0);
    expect(await form()).toBe(false);
    expect(await run('rewrap-file', 'sealed', '--tenant', 'contoso')).toBe(0);
    expect(await form()).toBe(true);
    expect(await run('rewrap-file', 'sealed', '--tenant', 'contoso', '--form', 'short')).toBe(2);
    expect(await run('decrypt-file', 'sealed', '--tenant', 'contoso', '-o', 'out')).toBe(0);
    expect(await readFile(join(folder, 'out'), 'utf8')).toBe('an invoice');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
