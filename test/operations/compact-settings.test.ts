import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import supertest from 'supertest';
import { isCompact } from '../../src/format/compact.ts';
import { BranchTable } from '../support/branch-rows.ts';
import { type Callee, compactCalls } from '../support/compact-calls.ts';
import { branchKeysIn, startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const ELSEWHERE = '00000000-0000-4000-8000-000000000000';
const SECRET = 'vaultspan-branch-database';

let service: TestService;
beforeAll(async () => {
  service = await startService({ compact: 'not-enabled' });
});
afterAll(async () => service[Symbol.asyncDispose]());

const { token, encrypt, decrypt, degraded, startWith } = compactCalls(() => service);

/** Names this database, or another, in the home vault. */
async function enable(id = new BranchTable(service.folder).databaseId()): Promise<void> {
  await service.emulator.control.setSecret({ vault: 'home', name: SECRET, value: id });
  service.clock.advance(601);
}

/** Sends a change of the record with the right ETag. */
async function change(callee: Callee, method: 'put' | 'patch', changed: object) {
  const roles = ['Tenants.Read', 'Tenants.Manage'];
  const bearer = `Bearer ${await token(roles)}`;
  const agent = supertest(callee.url);
  const { body, headers } = await agent.get('/tenants/contoso').set('Authorization', bearer);
  const { revision: _r, createdAt: _c, updatedAt: _u, keyUsage: _k, lastCheck: _l, branchKeys: _b, ...record } = body;
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
    expect(await decrypt(service, ciphertext)).toBe('a value');
  });

  test('encrypts no compact message while the home vault names another database, and decrypts earlier ones', async () => {
    const ciphertext = await encrypt(service);
    await enable(ELSEWHERE);
    await until(async () => (await degraded(service)).includes('branch-database'));
    expect(isCompact(ciphertext)).toBe(true);
    expect(isCompact(await encrypt(service))).toBe(false);
    expect(await decrypt(service, ciphertext)).toBe('a value');
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
    const bearer = await token(['Tenants.Manage']);
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
