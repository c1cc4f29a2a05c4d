import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { settingsFor } from '../support/config.ts';
import { runCli } from '../support/run-cli.ts';
import { startService, type TestService } from '../support/start-service.ts';

const LINKS = '/tenants/contoso/onboarding-links';
const PAGES = { url: 'https://keys.vendor.example' };

let service: TestService;
let config: string;
beforeAll(async () => {
  service = await startService({
    inDatabase: true,
    homeSecrets: { 'vaultspan-link-key': newSecretKey() },
    config: { onboarding: PAGES },
  });
  config = join(service.folder, 'config.json');
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  await writeFile(
    config,
    JSON.stringify({ ...settingsFor(service.emulator, service.folder), registry: {}, onboarding: PAGES }),
  );
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const issue = async (body: object = {}, token?: string) => (await service.post(LINKS, body, token)).body;
const tokenOf = (roles: readonly string[]) => service.emulator.issueCallerToken({ roles });
const get = (path: string) => service.request().get(path).set('Authorization', `Bearer ${service.token()}`);
const revoke = (path: string) => service.request().delete(path).set('Authorization', `Bearer ${service.token()}`);
const list = async () => (await get(LINKS)).body.links;
const recordsOf = async (name: string) => (await service.auditRecords()).filter(({ operation }) => operation === name);

async function command(...args: string[]) {
  const run = runCli([...args, '--config', config], { cwd: service.folder });
  return { code: await run.exitCode, out: run.out(), err: run.err() };
}

describe('a link', () => {
  test('is issued with its URL once, and listed without it', async () => {
    const link = await issue({ expiresInSeconds: 3_600, allow: ['records'] });
    expect(link).toEqual({
      id: expect.stringMatching(/^[\w-]{22}$/),
      url: expect.stringMatching(/^https:\/\/keys\.vendor\.example\/onboarding\/[\w-]{65}$/),
      expiresAt: new Date(Date.parse(link.expiresAt)).toISOString(),
      allow: ['records'],
    });
    const [listed] = await list();
    expect(listed).toMatchObject({ id: link.id, state: 'active', allow: ['records'], createdBy: expect.any(String) });
    expect(JSON.stringify(await list())).not.toContain(link.url.slice(-43));
    expect((await recordsOf('onboarding-link-issue')).at(-1)).toMatchObject({ tenantId: 'contoso', link: link.id });
  });

  test('is in no log, and the database has only its id', async () => {
    const { url } = await issue();
    const secret = url.slice(-43);
    expect(service.logLines.join('')).not.toContain(secret);
    expect(JSON.stringify(await service.auditRecords())).not.toContain(secret);
    using database = new DatabaseSync(join(service.folder, 'vaultspan.db'), { readOnly: true });
    expect(JSON.stringify(database.prepare('select * from onboarding_links').all())).not.toContain(secret);
  });

  test('is revoked once and for all, and recorded', async () => {
    const { id } = await issue();
    expect((await revoke(`${LINKS}/${id}`)).status).toBe(204);
    const first = (await list()).find((link: { id: string }) => link.id === id);
    expect(first).toMatchObject({ state: 'revoked' });
    service.clock.advance(5);
    expect((await revoke(`${LINKS}/${id}`)).status).toBe(204);
    expect((await list()).find((link: { id: string }) => link.id === id)).toEqual(first);
    expect((await recordsOf('onboarding-link-revoke')).at(-1)).toMatchObject({ link: id });
  });

  test('expires', async () => {
    const { id } = await issue({ expiresInSeconds: 60 });
    service.clock.advance(61);
    expect((await list()).find((link: { id: string }) => link.id === id)).toMatchObject({ state: 'expired' });
  });

  test('of another tenant cannot be revoked', async () => {
    const { id } = await issue();
    expect((await revoke(`/tenants/fabrikam/onboarding-links/${id}`)).body).toMatchObject({ code: 'link-not-found' });
    expect((await list()).find((link: { id: string }) => link.id === id)).toMatchObject({ state: 'active' });
  });
});

describe('issuing', () => {
  test.each([
    ['too long a life', { expiresInSeconds: 91 * 86_400 }],
    ['too short a life', { expiresInSeconds: 59 }],
    ['another permission', { allow: ['data'] }],
    ['an unknown member', { tenantId: 'fabrikam' }],
  ])('%s is refused', async (_what, body) => {
    expect(await issue(body)).toMatchObject({ code: 'malformed-request' });
  });

  test.each([
    ['Tenants.Read', {}],
    ['Tenants.Manage', { allow: ['records'] }],
    ['Tenants.Manage', { allow: ['branch-keys'] }],
  ])('%s alone does not issue %j', async (role, body) => {
    expect(await issue(body, await tokenOf([role]))).toMatchObject({ code: 'grant-missing' });
  });

  test('Tenants.Manage issues a link that reads neither', async () => {
    expect(await issue({}, await tokenOf(['Tenants.Manage']))).toMatchObject({ allow: [] });
  });

  test('an unknown tenant has no links', async () => {
    const path = '/tenants/nobody/onboarding-links';
    expect((await service.post(path, {})).body).toMatchObject({ code: 'tenant-not-found' });
    expect((await get(path)).body).toMatchObject({ code: 'tenant-not-found' });
    expect((await revoke(`${path}/${'A'.repeat(22)}`)).body).toMatchObject({ code: 'tenant-not-found' });
  });

  test('a tenant has at most 50 links that can be used', async () => {
    const path = '/tenants/adatum/onboarding-links';
    for (let n = 0; n < 50; n += 1) expect((await service.post(path, { expiresInSeconds: 60 })).status).toBe(200);
    expect((await service.post(path, {})).body).toMatchObject({ code: 'too-many-links' });
    service.clock.advance(61);
    for (let n = 0; n < 50; n += 1) expect((await service.post(path, { expiresInSeconds: 60 })).status).toBe(200);
    service.clock.advance(61);
    expect((await service.post(path, {})).status).toBe(200);
    expect((await get(path)).body.links).toHaveLength(51);
  });
});

describe('the command', () => {
  test('issues a link, lists it and revokes it', async () => {
    const issued = await command('onboard', 'contoso', '--link', '--expires', '3', '--allow', 'records,branch-keys');
    expect(issued).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^https:\/\/keys\.vendor\.example\/onboarding\//),
    });
    const [id = ''] = /[\w-]{22}/.exec(issued.err) ?? [];
    expect((await command('links', 'list', 'contoso')).out).toContain(`${id}  active `);
    expect((await command('links', 'revoke', 'contoso', id)).code).toBe(0);
    const { links } = JSON.parse((await command('links', 'list', 'contoso', '--json')).out);
    expect(links.find((link: { id: string }) => link.id === id)).toMatchObject({
      state: 'revoked',
      allow: ['branch-keys', 'records'],
      createdBy: 'cli:tester',
    });
  });

  test.each([
    ['an unknown tenant', ['onboard', 'nobody', '--link']],
    ['too many days', ['onboard', 'contoso', '--link', '--expires', '91']],
    ['another permission', ['onboard', 'contoso', '--link', '--allow', 'data']],
    ['options of a link without it', ['onboard', 'contoso', '--expires', '3']],
    ['no action', ['links', 'contoso']],
    ['no link to revoke', ['links', 'revoke', 'contoso']],
    ['an unknown link', ['links', 'revoke', 'contoso', 'A'.repeat(22)]],
  ])('refuses %s', async (_what, args) => {
    const { code, out } = await command(...args);
    expect([code === 0, out]).toEqual([false, '']);
  });
});
