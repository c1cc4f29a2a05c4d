import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { addCustomers, changeTenant } from '../support/customers.ts';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { type Refusal, ways } from '../support/ways-to-refuse.ts';

/**
 * After a refusal one request in 10 s checks again; for a version that never existed, one in 60 s.
 */
const PAST_THE_PROBE_SECONDS = 61;

/** Keys are generated, which takes long on a busy machine. */

let service: TestService;
/** A process that has not signed in yet. */
let cold: SecondProcess;
beforeAll(async () => {
  service = await startService();
  await addCustomers(service, [...Object.keys(ways), 'elsewhere', 'nowhere']);
  cold = await startSecondProcess(service);
});
afterAll(async () => {
  await cold[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const encrypt = (tenant: string, by: Pick<SecondProcess, 'post'> = cold) =>
  by.post(`/tenants/${tenant}/encrypt`, { plaintext });
const decrypt = (tenant: string, ciphertext: string, by: Pick<SecondProcess, 'post'> = cold) =>
  by.post(`/tenants/${tenant}/decrypt`, { ciphertext });

const commandMatching = (command: string | RegExp): unknown =>
  expect.stringMatching(
    typeof command === 'string'
      ? new RegExp(`^${RegExp.escape(command)}$`)
      : new RegExp(command.source.replace('{APP}', service.emulator.appId)),
  );
const problemOf = ({ reason, owner, command }: Refusal) => ({
  status: 403,
  code: 'access-revoked',
  reason,
  fix: {
    owner,
    action: expect.stringMatching(/\w/),
    ...(command !== undefined && { command: commandMatching(command) }),
  },
});

test('northwind, which has granted no access yet, is told which role to grant to which app on which key', async () => {
  const { status, body } = await encrypt('northwind', service);
  expect([status, body.code, body.reason, body.fix.owner]).toEqual([
    403,
    'access-revoked',
    'role-missing',
    'resource-owner',
  ]);
  expect(body.fix.command).toContain('--role "Key Vault Crypto Service Encryption User"');
  expect(body.fix.command).toContain(service.emulator.appId);
  expect(body.fix.command).toContain('/keys/data');
});

test('adatum, which has not added the app, is told to add it to its directory', async () => {
  const { status, body } = await encrypt('adatum', service);
  expect([status, body.code, body.reason, body.fix.owner]).toEqual([
    403,
    'access-revoked',
    'app-absent',
    'customer-admin',
  ]);
  const { tenantId } = service.emulator.customers.find(({ name }) => name === 'adatum') ?? {};
  expect(body.fix.command).toContain(`--tenant ${tenantId}`);
  expect(body.fix.command).toContain(`az ad sp create --id ${service.emulator.appId}`);
});

describe.each(Object.entries(ways))('%s', (name, way) => {
  let ciphertext: string;
  beforeAll(async () => {
    ({ ciphertext } = (await encrypt(name, service)).body);
    await way.refuse(service.emulator.control, name);
  });

  test('refuses a cold encrypt, with the party that can fix it and the fix', async () => {
    const { body } = await encrypt(name);
    expect(body).toMatchObject(problemOf(way.encrypt));
    expect(body.fix.command === undefined).toBe(way.encrypt.command === undefined);
  });

  test(
    way.decrypt ? 'refuses a cold decrypt, with who mends it and how' : 'still lets a cold decrypt through',
    async () => {
      const { body } = await decrypt(name, ciphertext);
      expect(body).toMatchObject(way.decrypt ? problemOf(way.decrypt) : { plaintext });
    },
  );

  test('ends by itself once access is restored', async () => {
    await way.restore(service.emulator.control, name);
    service.clock.advance(PAST_THE_PROBE_SECONDS);
    const encrypted = await encrypt(name);
    expect(encrypted.body).toMatchObject({ ciphertext: expect.any(String) });
    expect((await decrypt(name, encrypted.body.ciphertext)).body.plaintext).toBe(plaintext);
    expect((await decrypt(name, ciphertext)).body.plaintext).toBe(plaintext);
  });
});

describe("a tenant's record", () => {
  test("that names another directory than its vault's is the vendor's to correct", async () => {
    const { tenantId } = service.emulator.customers.find(({ name }) => name === 'fabrikam') ?? {};
    await changeTenant(service, 'elsewhere', (tenant) => ({ ...tenant, entraTenantId: tenantId }));
    service.emulator.control.clearRequests();
    const { body } = await encrypt('elsewhere', service);
    expect(body).toMatchObject({
      status: 409,
      code: 'tenant-misconfigured',
      reason: 'vault-elsewhere',
      fix: { owner: 'vendor' },
    });
    expect(service.vaultCalls('elsewhere')).toEqual(['challenge']);
  });

  test("that names an unknown directory is the vendor's to correct", async () => {
    const unknown = randomUUID();
    await changeTenant(service, 'nowhere', (tenant) => ({ ...tenant, entraTenantId: unknown }));
    const { body } = await encrypt('nowhere', service);
    expect(body).toMatchObject({ status: 409, code: 'tenant-misconfigured', fix: { owner: 'vendor' } });
  });
});

describe("the app's own secret", () => {
  const rejected = (reason: string) => ({
    status: 503,
    code: 'home-credential-rejected',
    reason,
    retryAfter: expect.any(Number),
    fix: { owner: 'vendor', action: expect.stringMatching(/\w/) },
  });

  test('that has expired or is missing is an outage of the service and no revocation, until there is a new one', async () => {
    const { control } = service.emulator;
    await using third = await startSecondProcess(service);
    await control.expireAppSecret();
    const expired = await encrypt('contoso', third);
    expect(expired.body).toMatchObject(rejected('secret-expired'));
    expect(expired.headers['retry-after']).toBe(String(expired.body.retryAfter));
    await control.removeAppSecret();
    expect((await encrypt('fabrikam', third)).body).toMatchObject(rejected('secret-wrong'));
    service.clock.advance(11);
    await control.addAppSecret({ storeInHomeVault: true });
    expect((await encrypt('contoso', third)).status).toBe(200);
    expect((await encrypt('fabrikam', third)).status).toBe(200);
  });
});
