import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { settingsFor } from '../support/config.ts';
import { runCli } from '../support/run-cli.ts';
import { branchKeysIn, startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const PLAINTEXT = Buffer.from('a value').toString('base64');

let service: TestService;
let config: string;
beforeAll(async () => {
  service = await startService({ compact: 'enabled' });
  config = join(service.folder, 'config.json');
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  const settings = settingsFor(service.emulator, service.folder);
  await writeFile(config, JSON.stringify({ ...settings, registry: {}, branchKeys: branchKeysIn(service.folder) }));
});
afterAll(async () => service[Symbol.asyncDispose]());

async function branchKeys(...args: string[]) {
  const run = runCli(['branch-keys', ...args, '--config', config], { cwd: service.folder });
  return { code: await run.exitCode, out: run.out(), err: run.err(), bytes: run.outBytes().toString() };
}

const token = (roles: readonly string[] = ['Data.Encrypt', 'Data.Decrypt', 'Tenants.Read', 'Tenants.Manage']) =>
  service.emulator.issueCallerToken({ roles });

async function encrypt(): Promise<string> {
  const answer = await service.post('/tenants/contoso/encrypt', { plaintext: PLAINTEXT }, await token());
  return (answer.body as { readonly ciphertext: string }).ciphertext;
}
async function decrypt(ciphertext: string) {
  const { status, body } = await service.post('/tenants/contoso/decrypt', { ciphertext }, await token());
  return { status, ...(body as { readonly code?: string; readonly reason?: string }) };
}
async function get(path: string, accept = 'application/json', roles?: readonly string[]) {
  const bearer = `Bearer ${await token(roles)}`;
  return service.request().get(path).set('Authorization', bearer).set('Accept', accept);
}

interface Row {
  readonly tenant_id: string;
  readonly id: string;
  readonly label: string;
  readonly jwe: string | null;
  readonly kid: string;
}
function sql(statement: string, ...values: string[]): readonly Row[] {
  using database = new DatabaseSync(join(service.folder, 'vaultspan.db'));
  database.exec('pragma busy_timeout = 5000');
  return database.prepare(statement).all(...values) as unknown as Row[];
}
const rows = () => sql("select * from keyring_keys where tenant_id = 'contoso' order by label");

async function auditOf(operation: string) {
  const records = await service.auditRecords();
  return records.filter((record) => record['operation'] === operation);
}

let first: string;
test('verify opens every key, and says which do not open', async () => {
  first = await encrypt();
  expect(await branchKeys('verify')).toMatchObject({ code: 0, out: '1 key: 1 open, 0 destroyed\n' });
  const [row] = rows();
  sql("update keyring_keys set label = '2020-01-01T00:00:00Z' returning *");
  const bad = await branchKeys('verify');
  expect(bad).toMatchObject({ code: 1, out: expect.stringContaining(`contoso ${row?.id} (2020-01-01T00:00:00Z)`) });
  expect(bad.out).toContain('0 open, 0 destroyed, 0 refused by their vault, 1 damaged, 0 not checked');
  sql('update keyring_keys set label = ? returning *', row?.label ?? '');
});

describe('an export', () => {
  test('has every key as a line, wrapped, for the role Tenants.Read alone', async () => {
    const answer = await get('/tenants/contoso/branch-keys', 'application/x-ndjson');
    const [row] = rows();
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ id: row?.id, label: row?.label, jwe: row?.jwe, kid: row?.kid });
    const { bytes } = await branchKeys('export');
    expect(bytes).toBe(answer.text);
    expect((await get('/tenants/contoso/branch-keys', undefined, ['Data.Decrypt'])).status).toBe(403);
    expect((await get('/tenants/nobody/branch-keys')).status).toBe(404);
    expect((await get('/tenants/contoso/branch-keys?cursor=x')).status).toBe(400);
  });

  test('brings back what the database lost, once; then it has nothing to do', async () => {
    const file = join(service.folder, 'export.ndjson');
    expect(await branchKeys('export', '--output', file)).toMatchObject({ code: 0, err: '1 key exported\n' });
    await service.post('/tenants/contoso/suspend', '', await token()).expect(200); // no process holds the branch
    sql('delete from keyring_keys returning *');
    await service.post('/tenants/contoso/resume', '', await token()).expect(200);
    await until(async () => (await decrypt(first)).reason === 'branch-unknown');
    expect(await branchKeys('import', file)).toMatchObject({
      code: 0,
      out: '1 added, 0 replaced, 0 present, 0 destroyed, 0 rejected\n',
    });
    await until(async () => (await decrypt(first)).status === 200);
    expect(await branchKeys('import', file)).toMatchObject({ code: 0, out: expect.stringContaining('1 present') });
    expect(await auditOf('branch-put-back')).toMatchObject([{ tenantId: 'contoso', storedKey: { id: rows()[0]?.id } }]);
  });

  test('is rejected line by line if it was altered, and replaces only what does not open', async () => {
    const file = join(service.folder, 'export.ndjson');
    const line = JSON.parse(await readFile(file, 'utf8')) as { jwe: string; id: string };
    const forged = join(service.folder, 'forged.ndjson');
    const [head = '', ...parts] = line.jwe.split('.');
    const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, string>;
    const planted = Buffer.from(JSON.stringify({ ...header, mac: 'AAAAAAAAAAAAAAAAAAAAAA' })).toString('base64url');
    const lines = [
      { ...line, id: 'AAAAAAAAAAA' },
      { ...line, id: 'BBBBBBBBBBA', jwe: [planted, ...parts].join('.') },
      { ...line, tenantId: 'fabrikam' },
      { ...line, more: true },
    ];
    await writeFile(forged, lines.map((one) => `${JSON.stringify(one)}\n`).join(''));
    expect(await branchKeys('import', forged)).toMatchObject({ code: 1, out: expect.stringContaining('4 rejected') });
    expect(rows()).toHaveLength(1);
    sql('update keyring_keys set jwe = ? returning *', `${line.jwe.slice(0, -4)}AAAA`);
    expect(await branchKeys('import', file)).toMatchObject({ code: 0, out: expect.stringContaining('1 replaced') });
    expect(rows()[0]?.jwe).toBe(line.jwe);
  });
});

describe('check', () => {
  const check = async () => {
    const run = runCli(['check', 'contoso', '--json', '--config', config], { cwd: service.folder });
    const code = await run.exitCode;
    const { steps } = JSON.parse(run.out()) as { readonly steps: readonly { readonly name: string }[] };
    return { code, compact: steps.find(({ name }) => name === 'compact with data') };
  };

  test('encrypts and decrypts a compact message where the key is', async () => {
    const [row] = rows();
    expect(await check()).toMatchObject({ code: 0, compact: { state: 'passed', detail: row?.kid } });
    expect(rows()).toEqual([row]);
  });

  test('warns while no branch key may encrypt, and makes none', async () => {
    const [row] = rows();
    sql("update keyring_keys set label = '2020-01-01T00:00:00Z' returning *");
    const { code, compact } = await check();
    expect([code, compact]).toMatchObject([
      0,
      { state: 'passed', warnings: [expect.stringContaining('self-contained')] },
    ]);
    expect(rows()).toMatchObject([{ id: row?.id }]);
    sql('update keyring_keys set label = ? returning *', row?.label ?? '');
  });
});

describe('a rotation', () => {
  test('moves the keys, shows what still needs each version, and changes no message', async () => {
    const [before] = rows();
    await service.emulator.control.rotateKey({ vault: 'contoso', key: 'data' });
    expect((await get('/tenants/contoso')).body).toMatchObject({
      branchKeys: [{ keyId: before?.kid, keys: 1, copies: 1 }],
    });
    const run = await branchKeys('rewrap', 'contoso');
    expect(run).toMatchObject({ code: 0, out: 'contoso: 1 moved, 0 already current, 0 not moved\n' });
    const [after] = rows();
    expect(after).toMatchObject({ id: before?.id });
    expect(after?.kid).not.toBe(before?.kid);
    expect((await get('/tenants/contoso')).body).toMatchObject({
      branchKeys: [{ keyId: after?.kid, keys: 1, copies: 1 }],
    });
    await service.emulator.control.disableKey({
      vault: 'contoso',
      key: 'data',
      version: before?.kid.split('/').at(-1) ?? '',
    });
    service.clock.advance(301);
    expect(await decrypt(first)).toMatchObject({ status: 200 });
    expect(await auditOf('branch-rewrapped')).toMatchObject([
      { keyId: after?.kid, storedKey: { id: after?.id, label: after?.label } },
    ]);
  });

  test('by the API needs Tenants.Manage, and points at an unknown target', async () => {
    const path = '/tenants/contoso/branch-keys/rewrap';
    const answer = await service.post(path, {}, await token());
    expect(answer.body).toEqual({ moved: 0, current: 1, staying: 0, stayingKeys: [], isComplete: true });
    await service.post(path, {}, await token(['Tenants.Read'])).expect(403);
    const unknown = await service.post(path, { to: { key: 'nope' } }, await token());
    expect(unknown.body).toMatchObject({ code: 'unknown-key-alias', errors: [{ pointer: '/to/key' }] });
  });
});

describe('destroying', () => {
  test('needs a date and the name of the tenant', async () => {
    expect(await branchKeys('destroy', 'contoso', '--before', 'soon', '--yes', 'contoso')).toMatchObject({ code: 2 });
    const run = await branchKeys('destroy', 'contoso', '--before', '2030-01-01');
    expect(run).toMatchObject({ code: 2, err: expect.stringContaining('--yes contoso') });
    expect(rows()[0]?.jwe).not.toBeNull();
  });

  test('leaves what may still encrypt, whatever the date', async () => {
    const run = await branchKeys('destroy', 'contoso', '--before', '2030-01-01', '--yes', 'contoso');
    expect(run).toMatchObject({ code: 0, out: expect.stringContaining('0 branch keys destroyed') });
    expect(run.out).toContain('1 branch key began before then and may have encrypted later: not destroyed');
    expect(await decrypt(first)).toMatchObject({ status: 200 });
  });

  test('takes the keys of the past, with their copies, and an import does not bring them back', async () => {
    const [row] = rows();
    const old = { ...row, id: 'AAAAAAAAAAA', label: '2020-01-01T00:00:00Z' };
    const columns = Object.keys(old);
    sql(
      `insert into keyring_keys (${columns.join()}) values (${columns.map(() => '?').join()}) returning *`,
      ...(Object.values({ ...old, made_under: null }) as string[]),
    );
    const copies = join(service.folder, 'copies', 'branch-keys-20200101T000000000Z-old.ndjson');
    const { tenant_id: tenantId, id, label, kid, jwe } = old as Row;
    const line = { tenantId, kind: 'branch', id, label, vaultKey: kid.slice(0, -33), kid, jwe };
    await writeFile(copies, `${JSON.stringify(line)}\n`);
    const destroy = ['destroy', 'contoso', '--before', '2021-01-01', '--yes', 'contoso'];
    const run = await branchKeys(...destroy);
    expect(run).toMatchObject({ code: 0, out: expect.stringContaining('1 branch key destroyed, 0 already destroyed') });
    expect(run.out).toContain('1 line in 1 file of');
    expect(run.out).toContain(`key version: ${kid}`);
    expect(rows()).toMatchObject([{ id, jwe: null }, { jwe: row?.jwe }]);
    expect(await auditOf('branch-destroyed')).toMatchObject([{ principal: 'cli:tester', storedKey: { id, label } }]);
    expect(await branchKeys(...destroy, '--copies')).toMatchObject({ out: expect.stringContaining('overwritten') });
    expect(await readFile(copies, 'utf8')).not.toContain('jwe');
    sql("delete from keyring_keys where id = 'AAAAAAAAAAA' returning *");
    expect(await branchKeys('import', join(service.folder, 'copies'))).toMatchObject({ code: 0 });
    expect(rows()).toHaveLength(1);
    expect(await decrypt(first)).toMatchObject({ status: 200 });
  });
});
