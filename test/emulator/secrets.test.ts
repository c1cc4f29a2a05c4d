import type { SecretClient } from '@azure/keyvault-secrets';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { failureOf, secretClientOf, startTrusted } from '../support/emulator-clients.ts';

let emulator: Emulator;
let client: SecretClient;

beforeAll(async () => {
  emulator = await startTrusted({
    seed: (directory) => directory.addCustomer({ name: 'contoso', keys: [], role: 'Key Vault Secrets Officer' }),
  });
  client = await secretClientOf(emulator, 'contoso');
});

afterAll(() => emulator.close());

test('the version set last is the newest', async () => {
  const first = await client.setSecret('rotated', 'one');
  await client.setSecret('rotated', 'two');
  expect(await client.getSecret('rotated')).toMatchObject({ value: 'two' });
  expect(await client.getSecret('rotated', { version: first.properties.version ?? '' })).toMatchObject({
    value: 'one',
  });
});

test('attributes and content type are returned', async () => {
  const expiresOn = new Date('2030-01-02T03:04:05Z');
  const notBefore = new Date('2020-01-02T03:04:05Z');
  await client.setSecret('described', 'x', { expiresOn, notBefore, contentType: 'text/plain', tags: { use: 'test' } });
  expect(await client.getSecret('described')).toMatchObject({
    properties: { expiresOn, notBefore, contentType: 'text/plain', tags: { use: 'test' }, enabled: true },
  });
});

test('an expired secret can still be read, a disabled one cannot', async () => {
  const { properties } = await client.setSecret('old', 'x', { expiresOn: new Date('2020-01-01T00:00:00Z') });
  expect(await client.getSecret('old')).toMatchObject({ value: 'x' });
  await client.updateSecretProperties('old', properties.version ?? '', { enabled: false });
  expect(await failureOf(client.getSecret('old'))).toMatchObject({ statusCode: 403, inner: 'SecretDisabled' });
});

test('lists of versions have several pages, with attributes and without values', async () => {
  for (let number = 0; number < 12; number += 1) {
    await emulator.control.setSecret({ vault: 'contoso', name: 'many', value: `value ${number}` });
  }
  await emulator.control.disableSecretVersion({ vault: 'contoso', name: 'many' });
  emulator.control.clearRequests();
  const versions = [];
  for await (const version of client.listPropertiesOfSecretVersions('many')) versions.push(version);
  expect(new Set(versions.map(({ version }) => version)).size).toBe(12);
  expect(versions.filter(({ enabled }) => enabled === false)).toHaveLength(1);
  expect(versions[0]?.createdOn).toBeInstanceOf(Date);
  expect(emulator.control.requests().filter(({ operation }) => operation === 'getSecretVersions')).toHaveLength(3);
});

test('secrets are listed by name', async () => {
  await client.setSecret('listed', 'x');
  const names = [];
  for await (const { name } of client.listPropertiesOfSecrets()) names.push(name);
  expect(names).toContain('listed');
});

test('a deleted secret is not found, then recovered', async () => {
  await client.setSecret('dropped', 'still here');
  const deletion = await client.beginDeleteSecret('dropped', { intervalInMs: 1 });
  await deletion.pollUntilDone();
  expect(await failureOf(client.getSecret('dropped'))).toMatchObject({ statusCode: 404, code: 'SecretNotFound' });
  expect(await failureOf(client.setSecret('dropped', 'again'))).toMatchObject({ statusCode: 409 });
  const deleted = [];
  for await (const { name } of client.listDeletedSecrets()) deleted.push(name);
  expect(deleted).toEqual(['dropped']);
  const recovery = await client.beginRecoverDeletedSecret('dropped', { intervalInMs: 1 });
  await recovery.pollUntilDone();
  expect(await client.getSecret('dropped')).toMatchObject({ value: 'still here' });
});

test('purging needs a vault without purge protection', async () => {
  await client.setSecret('purged', 'x');
  await (await client.beginDeleteSecret('purged', { intervalInMs: 1 })).pollUntilDone();
  expect(await failureOf(client.purgeDeletedSecret('purged'))).toMatchObject({ statusCode: 403 });
  await emulator.control.setVaultOptions({ vault: 'contoso', purgeProtection: false });
  await client.purgeDeletedSecret('purged');
  expect(await failureOf(client.getDeletedSecret('purged'))).toMatchObject({ statusCode: 404 });
});

test('the role for keys does not read secrets', async () => {
  await emulator.control.removeRole({ vault: 'contoso' });
  await emulator.control.grantRole({ vault: 'contoso', role: 'Key Vault Crypto Officer' });
  expect(await failureOf(client.getSecret('rotated'))).toMatchObject({ inner: 'ForbiddenByRbac' });
  await emulator.control.grantRole({ vault: 'contoso', role: 'Key Vault Reader' });
  expect(await failureOf(client.getSecret('rotated'))).toMatchObject({ inner: 'ForbiddenByRbac' });
  await emulator.control.grantRole({ vault: 'contoso', role: 'Key Vault Secrets User' });
  expect(await client.getSecret('rotated')).toMatchObject({ value: 'two' });
});
