import { statSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isCompact } from '../../src/format/compact.ts';
import { BranchTable, copiedLines } from '../support/branch-rows.ts';
import { branchIdOf, compactCalls } from '../support/compact-calls.ts';
import { branchKeysIn, startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
let table: BranchTable;
let copies: string;
beforeAll(async () => {
  service = await startService({ compact: 'enabled' });
  table = new BranchTable(service.folder);
  copies = join(service.folder, 'copies');
});
afterAll(async () => service[Symbol.asyncDispose]());

const { encrypt, decrypt, degraded, startWith } = compactCalls(() => service);

const rowOf = (id: string, tenant?: string) => table.rows(tenant).find((row) => row.id === id);
const lineOf = (id: string) => copiedLines(copies).find((copy) => copy['id'] === id) ?? {};
/** Returns the settings of a process that neither copies nor rechecks while a test runs. */
const idle = (directory: string) => ({ settleSeconds: 0, recheckSeconds: 300, copies: { directory } });

test("a branch key's copy is in a file that only this process writes and its user reads", async () => {
  const ciphertext = await encrypt(service);
  expect(isCompact(ciphertext)).toBe(true);
  const row = rowOf(branchIdOf(ciphertext));
  const [file = ''] = await readdir(copies);
  expect(statSync(join(copies, file)).mode & 0o777).toBe(0o600);
  expect(statSync(copies).mode & 0o777).toBe(0o700);
  expect(lineOf(row?.id ?? '')).toMatchObject({ tenantId: 'contoso', kind: 'branch', jwe: row?.jwe });
  expect(row?.copied_digest).not.toBeNull();
});

test('a branch key encrypts nothing while its copy cannot be written, and does once it can', async () => {
  const blocked = join(service.folder, 'blocked');
  await writeFile(blocked, '');
  const ciphertext = await encrypt(service);
  table.run('update keyring_keys set copied_digest = null, copied_kid = null');
  await using other = await startWith({ ...branchKeysIn(service.folder), copies: { directory: blocked } });
  expect(isCompact(await encrypt(other))).toBe(false);
  expect(await decrypt(other, ciphertext)).toBe('a value');
  await rm(blocked);
  await until(async () => {
    service.clock.advance(11); // failures are retried after ten seconds
    return isCompact(await encrypt(other));
  });
  expect(copiedLines(blocked).map(({ id }) => id)).toContain(branchIdOf(ciphertext));
});

test('a deleted row is put back by a process that holds it; the audit and readiness say so', async () => {
  const ciphertext = await encrypt(service, {}, 'fabrikam');
  const id = branchIdOf(ciphertext);
  const before = rowOf(id, 'fabrikam');
  table.run('delete from keyring_keys where id = ?', id);
  await until(() => rowOf(id, 'fabrikam') !== undefined);
  expect(rowOf(id, 'fabrikam')).toMatchObject({ jwe: before?.jwe, label: before?.label });
  await until(async () => (await degraded(service)).length > 0);
  expect(await degraded(service)).toEqual(['branch-keys']);
  expect(await decrypt(service, ciphertext, {}, 'fabrikam')).toBe('a value');
  const records = await service.auditRecords();
  const events = records.filter(({ storedKey }) => (storedKey as { readonly id?: string } | undefined)?.id === id);
  expect(events.map(({ operation }) => operation)).toEqual(['branch-created', 'branch-put-back']);
  expect(events[0]).toMatchObject({ tenantId: 'fabrikam', keyId: before?.kid, storedKey: { label: before?.label } });
  for (const file of await readdir(join(service.folder, 'audit'))) {
    expect(await readFile(join(service.folder, 'audit', file), 'utf8')).not.toContain(before?.jwe ?? 'a JWE');
  }
});

describe('a start with a folder of copies', () => {
  test('puts back what the database lost, and nothing that was destroyed or altered', async () => {
    const kept = await encrypt(service, { key: 'archive' }, 'fabrikam');
    const [lost, destroyed] = [branchIdOf(kept), branchIdOf(await encrypt(service, { key: 'data' }, 'fabrikam'))];
    const directory = join(service.folder, 'restored');
    await mkdir(directory);
    const { jwe: _jwe, ...gone } = lineOf(destroyed);
    const planted = { ...lineOf(lost), id: 'AAAAAAAAAAA', tenantId: 'contoso' };
    const lines = [lineOf(lost), lineOf(destroyed), planted, { ...gone, destroyed: true }];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await appendFile(join(directory, 'branch-keys-20261126T000000000Z-0a1b2c3d.ndjson'), `${text}{"tenantId":`);
    await service.stop(); // a process that holds the rows would put them back itself
    table.run('delete from keyring_keys where id in (?, ?)', lost, destroyed);
    await using starting = await startWith(idle(directory));
    await until(() => rowOf(lost, 'fabrikam')?.copied_digest != null);
    await until(async () => (await degraded(starting)).includes('branch-keys'));
    expect(await decrypt(starting, kept, {}, 'fabrikam')).toBe('a value');
    await until(() => starting.logLines.some((line) => line.includes('copies of branch keys are damaged')));
    expect(starting.logLines.join('')).toMatch(/"lines":2/); // the altered line and the one that was cut
    expect(rowOf(destroyed, 'fabrikam')).toBeUndefined();
    expect(rowOf('AAAAAAAAAAA')).toBeUndefined();
    expect(isCompact(await encrypt(starting, { key: 'archive' }, 'fabrikam'))).toBe(true);
  });
});
