import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import supertest from 'supertest';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { branchKeysIn, startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const PLAINTEXT = Buffer.from('a value').toString('base64');
const ELSEWHERE = '00000000-0000-4000-8000-000000000000';
const SECRET = 'vaultspan-branch-database';

let service: TestService;
beforeAll(async () => {
  service = await startService({ compact: 'not-enabled' });
});
afterAll(async () => service[Symbol.asyncDispose]());

type Callee = Pick<SecondProcess, 'post' | 'url' | 'logLines'>;

/** Starts a process on the same database, with other settings of branch keys. */
const startWith = (branchKeys: object, more: object = {}) =>
  startSecondProcess(service, {
    registry: {},
    database: { file: join(service.folder, 'vaultspan.db') },
    audit: { directory: join(service.folder, 'audit') },
    branchKeys,
    ...more,
  });

/** Names this database, or another, in the home vault. */
async function enable(id = databaseId()): Promise<void> {
  await service.emulator.control.setSecret({ vault: 'home', name: SECRET, value: id });
  service.clock.advance(601);
}

function databaseId(): string {
  using database = new DatabaseSync(join(service.folder, 'vaultspan.db'), { readOnly: true });
  return String(database.prepare('select id from database_identity').get()?.['id']);
}

const token = () => service.emulator.issueCallerToken({ roles: ['Data.Encrypt', 'Data.Decrypt'] });

async function encrypt(callee: Callee): Promise<string> {
  const { body } = await callee.post('/tenants/contoso/encrypt', { plaintext: PLAINTEXT }, await token());
  return (body as { readonly ciphertext: string }).ciphertext;
}
const START = Buffer.from('{"alg":"dir"').toString('base64url');
const isCompact = (ciphertext: string): boolean => ciphertext.startsWith(START);
const decrypt = async (callee: Callee, ciphertext: string) =>
  callee.post('/tenants/contoso/decrypt', { ciphertext }, await token()).expect(200, /"plaintext":"YSB2YWx1ZQ=="/);

async function degraded(callee: Callee): Promise<readonly string[]> {
  const { body } = await supertest(callee.url).get('/readyz');
  return (body as { readonly degraded?: readonly string[] }).degraded ?? [];
}

/** Sends a change of the record with the right ETag. */
async function change(callee: Callee, method: 'put' | 'patch', changed: object) {
  const roles = ['Tenants.Read', 'Tenants.Manage'];
  const bearer = `Bearer ${await service.emulator.issueCallerToken({ roles })}`;
  const agent = supertest(callee.url);
  const { body, headers } = await agent.get('/tenants/contoso').set('Authorization', bearer);
  const { revision: _r, createdAt: _c, updatedAt: _u, keyUsage: _k, lastCheck: _l, ...record } = body;
  const keys = { ...record.keys, data: { ...record.keys.data, ...changed } };
  return agent[method]('/tenants/contoso')
    .set('Authorization', bearer)
    .set('If-Match', String(headers['etag']))
    .set('Content-Type', method === 'put' ? 'application/json' : 'application/merge-patch+json')
    .send(JSON.stringify(method === 'put' ? { ...record, keys } : { displayName: 'Contoso' }));
}

describe('a compact key', () => {
  test('encrypts compact messages only once the home vault names its database', async () => {
    expect(isCompact(await encrypt(service))).toBe(false);
    expect(await degraded(service)).toEqual(['branch-database']);
    expect(service.logLines.join('')).toContain('run vaultspan branch-keys enable');
    await enable();
    await until(async () => (await degraded(service)).length === 0);
    const ciphertext = await encrypt(service);
    expect(isCompact(ciphertext)).toBe(true);
    await decrypt(service, ciphertext);
  });

  test('encrypts no compact message while the home vault names another database, and decrypts earlier ones', async () => {
    const ciphertext = await encrypt(service);
    await enable(ELSEWHERE);
    await until(async () => (await degraded(service)).includes('branch-database'));
    expect(isCompact(ciphertext)).toBe(true);
    expect(isCompact(await encrypt(service))).toBe(false);
    await decrypt(service, ciphertext);
    expect(service.logLines.join('')).toContain(`the home vault names another database: ${ELSEWHERE}`);
    await enable();
    await until(async () => (await degraded(service)).length === 0);
  });

  test('is accepted with copies of its branch keys', async () => {
    expect((await change(service, 'put', { form: 'self-contained' })).status).toBe(200);
    await until(async () => !isCompact(await encrypt(service)));
    expect((await change(service, 'put', { form: 'compact', fallback: 'refuse' })).status).toBe(200);
    await until(async () => isCompact(await encrypt(service)));
  });

  test('is refused without copies, by PUT and by PATCH; its tenant can still be suspended', async () => {
    await using other = await startWith({});
    const refused = { code: 'malformed-request', errors: [{ pointer: '/keys/data/form' }] };
    expect((await change(other, 'put', { form: 'compact' })).body).toMatchObject(refused);
    expect((await change(other, 'patch', {})).body).toMatchObject(refused);
    const bearer = await service.emulator.issueCallerToken({ roles: ['Tenants.Manage'] });
    await other.post('/tenants/contoso/suspend', '', bearer).expect(200);
    await other.post('/tenants/contoso/resume', '', bearer).expect(200);
  });

  test('is refused in a file of tenants beside SQLite', async () => {
    const starting = startWith({ copies: 'none' }, { registry: { file: join(service.folder, 'tenants.json') } });
    await expect(starting).rejects.toThrow('/tenants/0/keys/data/form: compact needs tenants in the database');
  });

  test('without copies of its branch keys shows as degraded', async () => {
    await using other = await startWith({ ...branchKeysIn(service.folder), copies: 'none' });
    await until(async () => isCompact(await encrypt(other)));
    expect(await degraded(other)).toEqual(['branch-copies']);
  });
});
