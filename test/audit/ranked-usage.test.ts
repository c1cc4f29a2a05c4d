import { expect, test } from '@jest/globals';
import { usageRanking } from '../../src/audit/usage/ranked-usage.ts';

const TENANTS = 4_500; // more than two slices
const RANGE = { from: 0, to: 1 };
const FIRST = { measure: 'bytes', after: undefined, limit: 5 } as const;
const all = Array.from({ length: TENANTS }, (_, n) => ({
  tenantId: `tenant-${String(n).padStart(4, '0')}`,
  operations: (n * 37) % 1_000,
  failures: 0,
  bytes: n,
  vaultCalls: 0,
  leases: 0,
  leasedMessages: 0,
}));
const table = {
  byTenant: async (_range: object, after: string, limit: number) =>
    all.filter(({ tenantId }) => tenantId > after).slice(0, limit),
};

test.each(['operations', 'bytes', 'failures'] as const)(
  'pages by %s have each tenant once, the most first',
  async (measure) => {
    const ranked = usageRanking(table);
    const limit = 1_000;
    const seen: (typeof all)[number][] = [];
    let after: { value: number; tenantId: string } | undefined;
    do {
      const page = await ranked(RANGE, { measure, after, limit });
      seen.push(...(page as typeof all));
      const last = page.at(-1);
      after = page.length === limit && last ? { value: last[measure], tenantId: last.tenantId } : undefined;
    } while (after);
    const ordered = all.toSorted((a, b) => b[measure] - a[measure] || (a.tenantId < b.tenantId ? -1 : 1));
    expect(seen).toEqual(ordered);
  },
);

test('without any usage there are no rows', async () => {
  const nothing = { byTenant: async () => [] };
  expect(await usageRanking(nothing)(RANGE, FIRST)).toEqual([]);
});

test('one sum runs at a time, four wait, others are told to come again, and a failure holds up nobody', async () => {
  let running = 0;
  let most = 0;
  let sums = 0;
  const counted = usageRanking({
    byTenant: async (_range, after, limit) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (after === '') sums += 1;
      if (sums === 1) throw new Error('the database is gone');
      return table.byTenant(_range, after, limit);
    },
  });
  const asked = await Promise.allSettled(Array.from({ length: 7 }, () => counted(RANGE, FIRST)));
  expect(asked.map(({ status }) => status)).toEqual([
    'rejected',
    ...['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
    ...['rejected', 'rejected'],
  ]);
  expect(asked[0]).toMatchObject({ reason: { message: 'the database is gone' } });
  expect(asked[6]).toMatchObject({ reason: { code: 'overloaded', reason: 'usage', retryAfter: 5 } });
  expect([most, sums]).toEqual([1, 5]);
  expect(await counted(RANGE, FIRST)).toHaveLength(5);
});
