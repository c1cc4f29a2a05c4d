import { createHmac } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { settingsFor } from '../support/config.ts';
import { runCli } from '../support/run-cli.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

const plaintext = Buffer.from('an invoice').toString('base64');
const UNKNOWN = 'A'.repeat(43);
const bellKey = newSecretKey();

let service: TestService;
let config: string;
let bell: string;
let ciphertext: string;
beforeAll(async () => {
  service = await startService({ inDatabase: true, homeSecrets: { 'vaultspan-bell-key': bellKey } });
  config = join(service.folder, 'config.json');
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  const settings = settingsFor(service.emulator, service.folder);
  await writeFile(config, JSON.stringify({ ...settings, registry: {} }));
  bell = (await bellCommand('show', 'contoso')).out.trim();
  ciphertext = (await service.post('/tenants/contoso/encrypt', { plaintext })).body.ciphertext;
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});
beforeEach(letRing);

async function bellCommand(...args: string[]) {
  const run = runCli(['bell', ...args, '--config', config], { cwd: service.folder });
  return { code: await run.exitCode, out: run.out(), err: run.err() };
}

/** Makes the last ring old enough for another. */
function letRing(): void {
  using database = new DatabaseSync(join(service.folder, 'vaultspan.db'));
  database.exec('pragma busy_timeout = 5000; update bells set rung_at = 0');
}

const ring = async (which: string) => (await service.request().post(`/doorbell/${which}`)).status;
const decrypt = async () => {
  const { body } = await service.post('/tenants/contoso/decrypt', { ciphertext });
  return body.code ?? 'ok';
};
const calls = () => service.vaultCalls('contoso').length;
const rings = async () => (await service.auditRecords()).filter(({ operation }) => operation === 'doorbell');

/** Returns whether ringing made the next use ask the vault. */
async function hasEffect(which: string): Promise<boolean> {
  expect(await decrypt()).toBe('ok');
  const before = calls();
  expect(await ring(which)).toBe(202);
  expect(await decrypt()).toBe('ok');
  return calls() > before;
}

test('a bell is the HMAC of tenant and generation', () => {
  const key = Buffer.from(bellKey, 'base64url');
  expect(bell).toBe(createHmac('sha256', key).update('vaultspan bell 1\ncontoso\n0').digest('base64url'));
});

test('a ring makes the next use ask the vault, and is recorded', async () => {
  const before = (await rings()).length;
  expect(await hasEffect(bell)).toBe(true);
  await until(async () => (await rings()).length > before, 'the ring is recorded');
  expect((await rings()).at(-1)).toMatchObject({ outcome: 'succeeded', tenantId: 'contoso' });
  expect((await rings()).at(-1)).not.toHaveProperty('principal');
});

test('a ring makes a disabled app be refused at once', async () => {
  expect(await decrypt()).toBe('ok');
  await service.emulator.control.disableApp({ tenant: 'contoso' });
  expect(await decrypt()).toBe('ok'); // its token is still valid
  await ring(bell);
  expect(await decrypt()).toBe('access-revoked');
  await service.emulator.control.enableApp({ tenant: 'contoso' });
  service.clock.advance(61); // a refused sign-in is not tried again at once
  expect(await decrypt()).toBe('ok');
});

test('a second ring within 10 seconds has no effect and no record', async () => {
  expect(await hasEffect(bell)).toBe(true);
  const before = (await rings()).length;
  expect(await hasEffect(bell)).toBe(false);
  expect((await rings()).length).toBe(before);
});

test('while the audit log is away a known bell rings, and looks like an unknown one', async () => {
  const recorded = (await rings()).length;
  const directory = join(service.folder, 'audit');
  await rename(directory, `${directory}-away`);
  await writeFile(directory, 'not a folder');
  try {
    expect(await decrypt()).toBe('audit-unavailable');
    const before = calls();
    const answers = await Promise.all([bell, UNKNOWN].map((which) => service.request().post(`/doorbell/${which}`)));
    expect(answers.map(({ status, text }) => [status, text])).toEqual([
      [202, ''],
      [202, ''],
    ]);
    await decrypt();
    expect(calls()).toBeGreaterThan(before);
  } finally {
    await rm(directory);
    await rename(`${directory}-away`, directory);
  }
  await until(async () => (await rings()).length > recorded, 'the ring is recorded');
  expect((await rings()).at(-1)).toMatchObject({ outcome: 'succeeded', tenantId: 'contoso' });
  expect(await decrypt()).toBe('ok');
});

test.each([
  ['unknown', UNKNOWN],
  ['too short', 'abc'],
  ['with other characters', `${'A'.repeat(42)}.`],
])('a bell that is %s gets the same answer and has no effect', async (_what, guess) => {
  expect(await hasEffect(guess)).toBe(false);
});

test('a bell of a suspended tenant gets the same answer', async () => {
  await service.post('/tenants/contoso/suspend', undefined);
  expect(await ring(bell)).toBe(202);
  await service.post('/tenants/contoso/resume', undefined);
  expect(await decrypt()).toBe('ok');
});

test('the onboarding and the revoke script have the bell', async () => {
  const run = async (...options: string[]) => {
    const { exitCode, out } = runCli(['onboard', 'contoso', ...options, '--config', config], { cwd: service.folder });
    expect(await exitCode).toBe(0);
    return out();
  };
  const address = `https://YOUR-SERVICE/doorbell/${bell}`;
  expect(await run()).toContain(`curl -sS -X POST '${address}'`);
  expect(JSON.parse(await run('--json')).doorbell.ring).toContain(address);
  expect(await run('--revoke-script')).toContain(address);
  expect(await run('--script')).not.toContain(bell);
});

describe('Event Grid', () => {
  const CODE = '512d38b6-c7b8-40c8-89fe-f46f9e9622b6';
  const event = (eventType: string, data: object) => [
    { id: '1', topic: 'vault', subject: '', data, eventType, eventTime: '2026-11-27T00:00:00Z', dataVersion: '1' },
  ];
  const validation = event('Microsoft.EventGrid.SubscriptionValidationEvent', { validationCode: CODE });
  const deliver = (which: string, kind: string, body: unknown, type = 'application/json; charset=utf-8') =>
    service
      .request()
      .post(`/doorbell/${which}`)
      .set('aeg-event-type', kind)
      .set('Content-Type', type)
      .send(body as object);

  test('gets the code of its validation, for every bell, and that rings nothing', async () => {
    expect(await decrypt()).toBe('ok');
    const before = calls();
    for (const which of [bell, UNKNOWN]) {
      const { status, body } = await deliver(which, 'SubscriptionValidation', validation);
      expect([status, body]).toEqual([200, { validationResponse: CODE }]);
    }
    expect(await decrypt()).toBe('ok');
    expect(calls()).toBe(before);
  });

  test.each([
    ['of its own schema', 'application/json; charset=utf-8'],
    ['of the CloudEvents schema', 'application/cloudevents+json; charset=utf-8'],
  ])('rings with an event %s', async (_which, type) => {
    expect(await decrypt()).toBe('ok');
    const before = calls();
    const events = event('Microsoft.KeyVault.VaultAccessPolicyChanged', {});
    expect((await deliver(bell, 'Notification', JSON.stringify(events), type)).status).toBe(202);
    expect(await decrypt()).toBe('ok');
    expect(calls()).toBeGreaterThan(before);
  });

  test.each([
    ['no list', { eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent' }, 400, 'malformed-request'],
    ['a code with other characters', event('x', { validationCode: '<script>' }), 400, 'malformed-request'],
    ['a long code', event('x', { validationCode: 'a'.repeat(129) }), 400, 'malformed-request'],
    ['a large body', event('x', { validationCode: CODE, more: 'a'.repeat(17_000) }), 413, 'body-too-large'],
  ])('is refused a validation with %s', async (_what, body, status, code) => {
    const answer = await deliver(bell, 'SubscriptionValidation', body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  test('is allowed as the origin of CloudEvents, for every bell, and no other origin is', async () => {
    const ask = (which: string, origin: string) =>
      service.request().options(`/doorbell/${which}`).set('WebHook-Request-Origin', origin);
    for (const which of [bell, UNKNOWN]) {
      const { status, headers } = await ask(which, 'eventgrid.azure.net');
      expect([status, headers['webhook-allowed-origin']]).toEqual([200, 'eventgrid.azure.net']);
      expect(Number(headers['webhook-allowed-rate'])).toBeGreaterThan(0);
      const other = await ask(which, 'eventgrid.azure.net.attacker.example');
      expect([other.status, other.headers['webhook-allowed-origin']]).toEqual([405, undefined]);
    }
  });
});

test('a flood of different guesses holds no real ring back', async () => {
  expect(await decrypt()).toBe('ok');
  const before = calls();
  const guesses = Array.from({ length: 400 }, (_, n) => ring(`${n}`.padStart(43, 'B')));
  await Promise.all(guesses.slice(0, 200));
  expect(await Promise.all([...guesses, ring(bell), ring(bell)])).toEqual(Array.from({ length: 402 }, () => 202));
  expect(await decrypt()).toBe('ok');
  expect(calls()).toBeGreaterThan(before);
});

test('renewed, the old bell rings no more and the new one does', async () => {
  const { code, out, err } = await bellCommand('renew', 'contoso');
  const renewed = out.trim();
  expect([code, renewed === bell]).toEqual([0, false]);
  expect(err).toContain(`/doorbell/${renewed}`);
  expect(await hasEffect(bell)).toBe(false);
  expect(await hasEffect(renewed)).toBe(true);
  expect((await bellCommand('show', 'contoso')).out.trim()).toBe(renewed);
});

test.each([
  ['a tenant that does not exist', ['show', 'nobody']],
  ['another action', ['ring', 'contoso']],
  ['no tenant', ['show']],
])('the command refuses %s', async (_what, args) => {
  expect((await bellCommand(...args)).code).not.toBe(0);
});

test('a flood is not let through, gets the same answer, and makes few records', async () => {
  service.clock.stop(); // the budget of unknown bells grows with the time
  const statuses = await Promise.all(Array.from({ length: 200 }, () => ring(UNKNOWN)));
  expect(new Set(statuses)).toEqual(new Set([202]));
  const log = service.logLines.join('');
  expect(log).not.toContain(bell);
  await service.stop();
  const refused = (await rings()).filter(({ outcome }) => outcome === 'refused');
  expect(refused.length).toBeLessThan(10);
  const counted = (reason: string) =>
    refused.filter((record) => record['reason'] === reason).reduce((sum, { count }) => sum + Number(count ?? 1), 0);
  expect(counted('bell-unknown')).toBeLessThan(150);
  expect(counted('doorbell')).toBeGreaterThan(50);
});
