import { expect, test } from '@jest/globals';
import { rankedUsage } from '../../src/audit/usage/ranked-usage.ts';

const TENANTS = 4_500; // more than two slices
const RANGE = { from: 0, to: 1 };
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
    const limit = 1_000;
    const seen: (typeof all)[number][] = [];
    let after: { value: number; tenantId: string } | undefined;
    do {
      const page = await rankedUsage(table, RANGE, { measure, after, limit });
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
  expect(await rankedUsage(nothing, RANGE, { measure: 'bytes', after: undefined, limit: 5 })).toEqual([]);
});
