import { setImmediate } from 'node:timers/promises';
import type { MeteredUsage, UsageRange, UsageTable } from './usage-table.ts';

export type UsageMeasure = keyof MeteredUsage;

interface TenantUsage extends MeteredUsage {
  readonly tenantId: string;
}

/** The last row of a page: the value of its measure, and its tenant. */
export interface UsagePlace {
  readonly value: number;
  readonly tenantId: string;
}

interface Ranking {
  readonly measure: UsageMeasure;
  readonly after: UsagePlace | undefined;
  readonly limit: number;
}

/** Tenants that are summed up at once: some milliseconds of the database. */
const SLICE = 2_000;

/**
 * Returns the tenants with the most of a measure, then by id. It sums up every tenant, a slice at a
 * time with turns of the event loop for other requests, and keeps only the rows of the page.
 */
export async function rankedUsage(
  table: Pick<UsageTable, 'byTenant'>,
  range: UsageRange,
  ranking: Ranking,
): Promise<readonly TenantUsage[]> {
  let best: readonly TenantUsage[] = [];
  let last: TenantUsage | undefined;
  do {
    const slice = await table.byTenant(range, last?.tenantId ?? '', SLICE);
    best = rank([...best, ...slice], ranking);
    last = slice.length === SLICE ? slice.at(-1) : undefined;
    await setImmediate();
  } while (last);
  return best;
}

/** Returns the first of these tenants in the order of the ranking, after its place. */
export function rank(usage: readonly TenantUsage[], { measure, after, limit }: Ranking): readonly TenantUsage[] {
  const isAfter = (row: TenantUsage): boolean =>
    !after || row[measure] < after.value || (row[measure] === after.value && row.tenantId > after.tenantId);
  return usage
    .filter(isAfter)
    .sort((a, b) => b[measure] - a[measure] || (a.tenantId < b.tenantId ? -1 : 1))
    .slice(0, limit);
}
