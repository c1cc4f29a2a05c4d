import { describe, expect, test } from '@jest/globals';
import { quotaTable } from '../../src/database/usage/quota-table.ts';
import { ServiceError } from '../../src/errors.ts';
import { type QuotaStore, TenantQuotas } from '../../src/tenants/quotas.ts';
import { DATABASES } from '../support/sql-databases.ts';
import { TestClock } from '../support/test-clock.ts';

const QUOTA = { operations: 10, bytes: 1_000, periodSeconds: 3_600 };
const contoso = { id: 'contoso', quota: QUOTA };

function open(store: QuotaStore, clock: TestClock, trouble: unknown[] = []): TenantQuotas {
  const note = (error: unknown) => trouble.push(error);
  return new TenantQuotas({
    store,
    quota: undefined,
    clock,
    intervalMs: 3_600_000, // the tests exchange
    onTrouble: note,
    onRecovery: () => note('recovered'),
  });
}

/** Returns what is left of each limit, or the refusal. */
async function leftOf(quotas: TenantQuotas, tenant: Parameters<TenantQuotas['admit']>[0] = contoso) {
  try {
    return (await quotas.admit(tenant))?.map(({ left }) => left);
  } catch (error) {
    if (error instanceof ServiceError) return `${error.code} ${error.reason} ${error.retryAfter}`;
    throw error;
  }
}

const use = (quotas: TenantQuotas, operations: number, bytes = 0) => quotas.count('contoso', { operations, bytes });

describe.each(DATABASES)('quotas in %s', (_name, create) => {
  test('all processes together have one quota, which begins anew with each period', async () => {
    await using database = await create();
    const clock = new TestClock();
    clock.advance(3_600 - ((clock.wallMs() / 1_000) % 3_600) + 600); // ten minutes after the hour
    const [a, b] = [open(quotaTable(await database.open()), clock), open(quotaTable(await database.open()), clock)];
    expect(await leftOf(a)).toEqual([10, 1_000]);
    expect(await leftOf(b)).toEqual([10, 1_000]);
    use(a, 4, 100);
    use(b, 3, 50);
    expect([await leftOf(a), await leftOf(b)]).toEqual([
      [6, 900],
      [7, 950],
    ]);
    await a.exchange();
    await b.exchange();
    expect(await leftOf(b)).toEqual([3, 850]);
    use(a, 3);
    await a.exchange();
    expect(await leftOf(a)).toBe('quota-exceeded operations 3000');
    clock.advance(2_999);
    expect(await leftOf(a)).toBe('quota-exceeded operations 1');
    clock.advance(1);
    expect(await leftOf(a)).toEqual([10, 1_000]);
    use(a, 1, 999);
    use(a, 0, 5); // a call that has begun is finished
    expect(await leftOf(a)).toBe('quota-exceeded bytes 3600');
    for (const quotas of [a, b]) await quotas.close();
  });

  test('a process that starts anew knows what was used, and another period counts from 0', async () => {
    await using database = await create();
    const clock = new TestClock();
    const first = open(quotaTable(await database.open()), clock);
    await leftOf(first);
    use(first, 10);
    await first.close();
    const second = open(quotaTable(await database.open()), clock);
    expect(await leftOf(second)).toMatch(/^quota-exceeded operations/);
    expect(await leftOf(second, { ...contoso, quota: { ...QUOTA, operations: 11 } })).toEqual([1, 1_000]);
    expect(await leftOf(second, { ...contoso, quota: { ...QUOTA, periodSeconds: 60 } })).toEqual([10, 1_000]);
    await second.close();
  });

  test('late counts of an earlier period change nothing', async () => {
    await using database = await create();
    const table = quotaTable(await database.open());
    const of = (start: number, operations: number) => ({
      tenantId: 'contoso',
      start,
      periodMs: 60_000,
      operations,
      bytes: 0,
    });
    await table.add([of(60_000, 2)]);
    expect(await table.add([of(120_000, 3)])).toEqual([of(120_000, 3)]);
    expect(await table.add([of(60_000, 5)])).toEqual([of(120_000, 3)]);
    expect(await table.add([of(120_000, 4)])).toEqual([of(120_000, 7)]);
  });
});

test('while the database is away a process counts for itself, and adds its counts later', async () => {
  const clock = new TestClock();
  const trouble: unknown[] = [];
  let failures = 2; // of the first exchange, and of the next one
  let stored = 0;
  const add: QuotaStore['add'] = async (uses) => {
    if (failures-- > 0) throw new Error('away');
    return uses.map((one) => {
      stored += one.operations;
      return { ...one, operations: stored };
    });
  };
  const quotas = open({ add, find: async () => undefined }, clock, trouble);
  expect(await leftOf(quotas)).toEqual([10, 1_000]);
  use(quotas, 6);
  await quotas.exchange();
  expect(await leftOf(quotas)).toEqual([4, 1_000]);
  expect(trouble).toEqual([expect.objectContaining({ message: 'away' })]);
  await quotas.exchange();
  expect([stored, trouble.at(-1)]).toEqual([6, 'recovered']);
  await quotas.close();
  expect(stored).toBe(6);
});

test('the default is for tenants without their own; without either nothing is counted', async () => {
  const clock = new TestClock();
  const store: QuotaStore = { add: async (uses) => uses, find: async () => undefined };
  const silent = { onTrouble: () => undefined, onRecovery: () => undefined };
  const withDefault = new TenantQuotas({ store, clock, ...silent, quota: { bytes: 5, periodSeconds: 60 } });
  expect(await leftOf(withDefault, { id: 'fabrikam' })).toEqual([5]);
  expect(await leftOf(withDefault)).toEqual([10, 1_000]);
  await withDefault.close();
  const without = open(store, clock);
  expect(await leftOf(without, { id: 'fabrikam' })).toBeUndefined();
  expect(without.isCounted('fabrikam')).toBe(false);
  await without.close();
});
