import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { costOf, READ_COST, UNITS_AT_ONCE, UNITS_PER_SECOND } from '../../../src/azure/vault/vault-quota.ts';
import { changeTenant } from '../../support/customers.ts';
import { GatedVault, made, settled } from '../../support/gated-vault.ts';
import { startService, type TestService } from '../../support/start-service.ts';

describe('the budget of a vault', () => {
  test.each([
    ['RSA 2048 in software', { bits: 2_048, isHsm: false }, 4_000],
    ['RSA 2048 in an HSM', { bits: 2_048, isHsm: true }, 2_000],
    ['RSA 3072 in software', { bits: 3_072, isHsm: false }, 1_000],
    ['RSA 3072 in an HSM', { bits: 3_072, isHsm: true }, 500],
    ['RSA 4096 in software', { bits: 4_096, isHsm: false }, 500],
    ['RSA 4096 in an HSM', { bits: 4_096, isHsm: true }, 250],
    ['RSA of an unknown size', { bits: 8_192, isHsm: true }, 250],
  ])('for %s stays within 90 %% of the quota of 10 s, and uses it', (_key, size, quota) => {
    const calls = (10 * UNITS_PER_SECOND + UNITS_AT_ONCE) / costOf(size);
    expect(calls / quota).toBeCloseTo(0.9);
  });

  test('counts a symmetric key as 1 and a read by the quota of 4,000', () => {
    expect([costOf({ bits: undefined, isHsm: true }), READ_COST]).toEqual([1, 0.5]);
  });
});

describe('a gate', () => {
  const unwraps = (vault: GatedVault, count: number, cost: number) =>
    Array.from({ length: count }, () => vault.call('upkeep', 'contoso', cost));

  test.each([
    [0.5, 19], // the last one would need the cost of a whole call
    [1, 10],
    [4, 3],
  ])('allows calls of cost %s until the budget of 10 is spent', async (cost, expected) => {
    const vault = new GatedVault({ budgetPerSecond: 0.1, budgetBurst: 10 });
    const calls = unwraps(vault, 30, cost);
    await settled();
    expect(made(calls)).toBe(expected);
  });

  test('counts each call as 1 in a budget that the operator has set', async () => {
    const vault = new GatedVault({ budgetPerSecond: 0.1, budgetBurst: 10, isWeighted: false });
    const calls = unwraps(vault, 30, 4);
    await settled();
    expect(made(calls)).toBe(10);
  });
});

describe('a service with the default budget', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
    const { control } = service.emulator;
    for (const [key, kty, size] of [
      ['small-wrap', 'RSA', 2_048],
      ['large-wrap', 'RSA-HSM', 4_096],
    ] as const) {
      await control.createKey({ vault: 'contoso', key, kty, size });
      await control.createKey({ vault: 'fabrikam', key, kty, size });
    }
    const add = (id: string, key: string) =>
      changeTenant(service, id, ({ keys, ...tenant }) => {
        const { data = {} } = keys;
        return { ...tenant, keys: { ...keys, [key]: { vaultUrl: data['vaultUrl'], name: key, use: 'wrap' } } } as never;
      });
    await add('contoso', 'small-wrap');
    await add('fabrikam', 'large-wrap');
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
  });

  const wrap = (tenant: string, key: string) => service.post(`/tenants/${tenant}/wrap`, { value: 'aGk=', key });

  async function wrapAtOnce(tenant: string, key: string): Promise<readonly number[]> {
    const answers = await Promise.all(Array.from({ length: 120 }, () => wrap(tenant, key)));
    return [200, 429].map((wanted) => answers.filter(({ status }) => status === wanted).length);
  }

  test('serves 120 concurrent calls with RSA 2048 in software, and fewer with RSA 4096 in an HSM', async () => {
    expect((await wrap('contoso', 'small-wrap')).status).toBe(200); // the keys are read
    expect((await wrap('fabrikam', 'large-wrap')).status).toBe(200);
    service.clock.stop(); // budgets grow with the time
    expect(await wrapAtOnce('contoso', 'small-wrap')).toEqual([120, 0]);
    const [served = 0, refused = 0] = await wrapAtOnce('fabrikam', 'large-wrap');
    expect(served).toBeGreaterThanOrEqual(36);
    expect(served).toBeLessThan(60);
    expect(refused).toBeGreaterThan(0); // the others wait for the budget until their deadline
  });
});
