import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addCustomers } from '../support/customers.ts';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';

const CALLERS = 50;
const ONE_OF_EACH = ['challenge', 'getKey', 'wrapKey', 'unwrapKey'];

const BOUND_SECONDS = 60;

let service: TestService;
beforeAll(async () => {
  service = await startService({ config: { revocation: { boundSeconds: BOUND_SECONDS } } });
});
beforeEach(() => service.emulator.control.clearRequests());
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

type By = Pick<SecondProcess, 'post'>;
const plaintext = Buffer.from('an invoice').toString('base64');
const encrypt = (tenant: string, by: By = service) => by.post(`/tenants/${tenant}/encrypt`, { plaintext });
const decrypt = (tenant: string, ciphertext: string, by: By = service) =>
  by.post(`/tenants/${tenant}/decrypt`, { ciphertext });
const together = <T>(count: number, start: (index: number) => PromiseLike<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => start(index)));

/** Returns the number of sign-ins to a customer's directory, refused ones included. */
function signIns(tenant: string): number {
  const { tenantId } = service.emulator.customers.find(({ name }) => name === tenant) ?? {};
  const requests = service.emulator.control.requests();
  return requests.filter((entry) => entry.operation === 'token' && entry.tenantId === tenantId).length;
}

describe('50 concurrent first calls', () => {
  test('to encrypt make one sign-in, one challenge, one read of the key, one wrap and one unwrap', async () => {
    const answers = await together(CALLERS, () => encrypt('contoso'));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: CALLERS }, () => 200));
    expect(new Set(answers.map(({ body }) => body.ciphertext)).size).toBe(CALLERS);
    expect(service.vaultCalls('contoso')).toEqual(ONE_OF_EACH);
    expect(signIns('contoso')).toBe(1);
    expect(service.vaultCalls('fabrikam')).toEqual([]);
  });

  test('to encrypt for another tenant add its own calls, and none to the first one', async () => {
    await together(CALLERS, (index) => encrypt(index % 2 === 0 ? 'fabrikam' : 'contoso'));
    expect(service.vaultCalls('fabrikam')).toEqual(ONE_OF_EACH);
    expect(signIns('fabrikam')).toBe(1);
    expect(service.vaultCalls('contoso')).toEqual([]);
    expect(signIns('contoso')).toBe(0);
  });

  test('to decrypt one message make one sign-in, one challenge, one read and one unwrap', async () => {
    const { ciphertext } = (await encrypt('contoso')).body;
    await using cold = await startSecondProcess(service);
    const answers = await together(CALLERS, () => decrypt('contoso', ciphertext, cold));
    expect(answers.map(({ body }) => body.plaintext)).toEqual(Array.from({ length: CALLERS }, () => plaintext));
    expect(service.vaultCalls('contoso')).toEqual(['challenge', 'getKey', 'unwrapKey']); // the key's tag is read first
    expect(signIns('contoso')).toBe(1);
  });

  test('to a refusing tenant make one of each call until the refusal', async () => {
    const answers = await together(CALLERS, () => encrypt('northwind'));
    expect(new Set(answers.map(({ body }) => body.reason))).toEqual(new Set(['role-missing']));
    expect(service.vaultCalls('northwind')).toEqual(['challenge', 'getKey']);
    expect(signIns('northwind')).toBe(1);
  });

  test('to a tenant without the app make one sign-in', async () => {
    const answers = await together(CALLERS, () => encrypt('adatum'));
    expect(new Set(answers.map(({ body }) => body.reason))).toEqual(new Set(['app-absent']));
    expect(signIns('adatum')).toBe(1);
  });
});

test('warm calls of both kinds and both tenants cause no outgoing call', async () => {
  const sealed = await together(CALLERS, (index) => encrypt(index % 2 === 0 ? 'contoso' : 'fabrikam'));
  const opened = await together(CALLERS, (index) =>
    decrypt(index % 2 === 0 ? 'contoso' : 'fabrikam', sealed[index]?.body.ciphertext),
  );
  expect(opened.map(({ body }) => body.plaintext)).toEqual(Array.from({ length: CALLERS }, () => plaintext));
  expect(service.emulator.control.requests()).toEqual([]);
});

test('a message opens in another process with one read and one unwrap, and again without a call', async () => {
  const { ciphertext } = (await encrypt('contoso')).body;
  await using other = await startSecondProcess(service);
  service.emulator.control.clearRequests();
  await decrypt('contoso', ciphertext, other);
  expect(service.vaultCalls('contoso')).toEqual(['challenge', 'getKey', 'unwrapKey']); // the key's tag is read first
  service.emulator.control.clearRequests();
  await decrypt('contoso', ciphertext, other);
  expect(service.vaultCalls('contoso')).toEqual([]);
});

describe("a rotation of the app's secret under load", () => {
  const TENANTS = ['load-a', 'load-b', 'load-c'];
  beforeAll(() => addCustomers(service, TENANTS), 30_000);

  /**
   * Sends enough concurrent requests for every tenant, all of which need a proof of access and a
   * new sign-in.
   */
  const load = () => {
    service.clock.advance(BOUND_SECONDS + 1);
    return together(10 * TENANTS.length, (index) => encrypt(TENANTS[index % TENANTS.length] ?? ''));
  };
  const refusedSignIns = () =>
    service.emulator.control.requests().filter(({ errorCode }) => errorCode === 'AADSTS7000215').length;

  test('loses no request, whenever the old one is removed, and no longer needs the old one', async () => {
    const { control } = service.emulator;
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const [old] = await control.listAppSecrets();
      const before = load();
      await control.addAppSecret({ storeInHomeVault: true });
      const between = load();
      await control.removeAppSecret({ keyId: old?.keyId ?? '' });
      const after = load();
      const answers = (await Promise.all([before, between, after])).flat();
      statuses.push(...answers.map(({ status }) => status), ...(await load()).map(({ status }) => status));
    }
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(statuses).toHaveLength(3 * 4 * 30);
    control.clearRequests();
    await load();
    expect([refusedSignIns(), signIns('load-a')]).toEqual([0, 1]);
  });

  test('loses no request when the new one is stored before Entra knows it', async () => {
    const { control } = service.emulator;
    await control.setSecret({ vault: 'home', name: service.emulator.appSecretName, value: 'not-registered-yet' });
    expect(new Set((await load()).map(({ status }) => status))).toEqual(new Set([200]));
    await using cold = await startSecondProcess(service);
    expect((await encrypt('load-a', cold)).status).toBe(200);
  });
});
