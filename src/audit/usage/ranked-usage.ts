import { setImmediate } from 'node:timers/promises';
import { ServiceError } from '../../errors.ts';
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

/** Rankings that wait for the one in progress. Each waits for as long as those before it take. */
const MAX_WAITING = 4;
const RETRY_AFTER_SECONDS = 5;

export type RankUsage = (range: UsageRange, ranking: Ranking) => Promise<readonly TenantUsage[]>;

/**
 * Returns a function that returns the tenants with the most of a measure, then by id. Each call sums
 * up every tenant, so that one runs at a time; few wait, and the others are refused.
 * @throws ServiceError `overloaded`, `registry-unavailable`
 */
export function usageRanking(table: Pick<UsageTable, 'byTenant'>): RankUsage {
  let last: Promise<unknown> = Promise.resolve();
  let unfinished = 0;
  return async (range, ranking) => {
    if (unfinished > MAX_WAITING)
      throw new ServiceError('overloaded', 'Too many requests for usage in the order of a measure are waiting', {
        reason: 'usage',
        retryAfter: RETRY_AFTER_SECONDS,
      });
    unfinished += 1;
    const ranked = last
      .then(() => rankAll(table, range, ranking))
      .finally(() => {
        unfinished -= 1;
      });
    last = ranked.catch(() => undefined); // the next one runs anyway
    return ranked;
  };
}

/** Sums up a slice at a time with turns of the event loop, and keeps only the rows of the page. */
async function rankAll(
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
