import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { settingsFor } from '../support/config.ts';
import { runCli } from '../support/run-cli.ts';
import { startService, type TestService } from '../support/start-service.ts';

const PAGES = { url: 'https://keys.vendor.example' };
const SECRETS = { 'vaultspan-link-key': newSecretKey(), 'vaultspan-bell-key': newSecretKey() };

let service: TestService;
let config: string;
beforeAll(async () => {
  service = await startService({ inDatabase: true, homeSecrets: SECRETS, config: { onboarding: PAGES } });
  config = join(service.folder, 'config.json');
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  const settings = { ...settingsFor(service.emulator, service.folder), registry: {}, onboarding: PAGES };
  await writeFile(config, JSON.stringify(settings));
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const get = (path: string, token = service.token()) =>
  service.request().get(path).set('Authorization', `Bearer ${token}`);
const bellOf = async (tenantId: string) => (await get(`/tenants/${tenantId}/onboarding`)).body.doorbell.address;

const runBell = (action: string, tenantId: string) =>
  runCli(['bell', action, tenantId, '--config', config], { cwd: service.folder });
const bellCommand = async (action: string, tenantId: string) => {
  const run = runBell(action, tenantId);
  expect(await run.exitCode).toBe(0);
  return `${PAGES.url}/doorbell/${run.out().trim()}`;
};

test('a manager gets the bell of a tenant, in the answer, its scripts and its file; it rings', async () => {
  const { body } = await get('/tenants/contoso/onboarding').expect(200);
  const { address, ring } = body.doorbell;
  expect(address).toMatch(/^https:\/\/keys\.vendor\.example\/doorbell\/[\w-]{43}$/);
  expect(ring).toContain(address);
  expect(body.revokeScript).toContain(address);
  const file = await get('/tenants/contoso/onboarding/files/json').expect(200);
  expect(JSON.parse(file.text)).toMatchObject({ doorbell: { address } });
  await service.request().post(new URL(address).pathname).expect(202);
  expect(await service.auditRecords()).toContainEqual(
    expect.objectContaining({ operation: 'doorbell', tenantId: 'contoso' }),
  );
  expect(await bellOf('fabrikam')).not.toBe(address);
});

test('a reader gets no bell anywhere, and the page of a link has none', async () => {
  const reader = await service.emulator.issueCallerToken({ roles: ['Tenants.Read', 'Audit.Read'] });
  const { body } = await get('/tenants/contoso/onboarding', reader).expect(200);
  expect(body.doorbell).not.toHaveProperty('address');
  expect(body.doorbell.ring).toContain('$DOORBELL');
  const { url } = (await service.post('/tenants/contoso/onboarding-links', {}).expect(200)).body;
  const bell = (await bellOf('contoso')).slice(-43);
  const texts = [
    JSON.stringify(body),
    (await get('/tenants/contoso/onboarding/files/json', reader)).text,
    (await service.request().get(new URL(url).pathname).expect(200)).text,
  ];
  for (const text of texts) expect(text).not.toContain(bell);
});

test('it is the bell of the command line, also after a renewal', async () => {
  const first = await bellCommand('show', 'adatum');
  expect(await bellOf('adatum')).toBe(first);
  const second = await bellCommand('renew', 'adatum');
  expect(second).not.toBe(first);
  expect(await bellOf('adatum')).toBe(second);
});

test('a new version of the key changes no bell', async () => {
  const first = await bellCommand('show', 'fabrikam');
  await service.emulator.control.setSecret({ vault: 'home', name: 'vaultspan-bell-key', value: newSecretKey() });
  expect(await bellCommand('show', 'fabrikam')).toBe(first);
  await service.request().post(new URL(first).pathname).expect(202);
  expect(await service.auditRecords()).toContainEqual(
    expect.objectContaining({ operation: 'doorbell', outcome: 'succeeded', tenantId: 'fabrikam' }),
  );
  expect(await bellCommand('renew', 'fabrikam')).not.toBe(first);
});

test('a bell that the keys do not give is neither shown nor replaced', async () => {
  const { url } = (await service.post('/tenants/northwind/onboarding-links', {}).expect(200)).body;
  // The link's holder rings a tenant whose bell was never shown: it gets one that nobody knows.
  await service
    .request()
    .post(`${new URL(url).pathname}/bell`)
    .expect(200);
  expect(await bellOf('northwind')).toBeUndefined();
  const run = runBell('show', 'northwind');
  expect(await run.exitCode).not.toBe(0);
  expect(run.err()).toContain('vaultspan bell renew northwind');
  expect(await bellOf('northwind')).toBeUndefined();
});
