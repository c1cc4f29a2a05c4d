import type { Clock } from '../../lib/clock.ts';
import type { CheckCounts, Claims } from '../../tenants/checks.ts';
import type { TenantCounts, TenantRegistry } from '../../tenants/registry.ts';

/** Numbers of 100,000 tenants cost 20 to 40 ms, and every open console asks for them. */
const MAX_AGE_MS = 1_000;

export type Counts = TenantCounts & CheckCounts;

interface CountDeps {
  readonly tenants: Pick<TenantRegistry, 'count'>;
  readonly claims: Pick<Claims, 'countChecks'>;
  readonly clock: Clock;
}

/** Returns a function that counts all tenants, at most once a second however often it is called. */
export function sharedCounts({ tenants, claims, clock }: CountDeps): () => Promise<Counts> {
  let counted: Promise<Counts> | undefined;
  let countedAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const now = clock.monotonicMs();
    if (counted && now - countedAtMs < MAX_AGE_MS) return counted;
    countedAtMs = now;
    const counting = count(tenants, claims);
    counted = counting;
    counting.catch(() => {
      if (counted === counting) counted = undefined; // callers that await it get the failure
    });
    return counting;
  };
}

const count = async (tenants: CountDeps['tenants'], claims: CountDeps['claims']): Promise<Counts> => ({
  ...(await tenants.count()),
  ...(await claims.countChecks()),
});
