import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { Claims, FailureCount } from '../../tenants/checks.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertRole } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import { degradedParts, type PartsDeps } from './degraded-parts.ts';
import type { Counts } from './shared-counts.ts';

/** A number of calls or refusals, by the reason or the outcome. */
interface Count {
  readonly name: string;
  readonly count: number;
}

interface CallCount {
  readonly operation: string;
  readonly outcome: string;
  readonly count: number;
}

/** What one process has counted since its start. */
export interface ProcessFigures {
  /** RFC 3339. */
  readonly startedAt: string;
  readonly vaultCalls: readonly CallCount[];
  readonly signIns: readonly Count[];
  /** Definite refusals of access by Azure, by reason. */
  readonly refusals: readonly Count[];
  /** Calls to vaults not made, by reason. */
  readonly rationed: readonly Count[];
  /** Requests refused for their number or size, by reason. */
  readonly shed: readonly Count[];
  /** Hosts of vaults with an open circuit breaker. */
  readonly openBreakers: readonly string[];
}

export interface OverviewDeps extends AuditDeps, PartsDeps {
  readonly tenants: PartsDeps['tenants'] & Pick<TenantRegistry, 'search'>;
  readonly claims: Pick<Claims, 'lastChecks'>;
  /** Returns the numbers of all tenants, a second old at most. */
  readonly countAll: () => Promise<Counts>;
  readonly figures: () => ProcessFigures;
}

interface Overview {
  readonly tenants: {
    readonly total: number;
    readonly active: number;
    readonly suspended: number;
    /** Active tenants whose last check failed. */
    readonly failing: number;
    /** Active tenants that were never checked. */
    readonly unchecked: number;
  };
  readonly failures: readonly FailureCount[];
  /** Absent for a caller that is limited to some tenants. */
  readonly process?: ProcessFigures & { readonly degraded: readonly string[] };
}

/**
 * Returns the state of the tenants that the caller may see, in numbers, and the figures of this
 * process.
 * @throws ServiceError
 */
export async function getOverview(deps: OverviewDeps, request: AuthenticatedRequest): Promise<Overview> {
  assertRole(request.principal, 'Tenants.Read');
  const { tenantIds } = request.principal;
  const counts = tenantIds ? await countSome(deps, [...tenantIds]) : await deps.countAll();
  await recordSuccess(deps, request, { operation: 'overview' });
  const { active, suspended, checked, failures } = counts;
  const failing = failures.reduce((sum, { count }) => sum + count, 0);
  const tenants = {
    total: active + suspended,
    active,
    suspended,
    failing,
    unchecked: Math.max(0, active - checked),
  };
  if (tenantIds) return { tenants, failures };
  return { tenants, failures, process: { ...deps.figures(), degraded: degradedParts(deps) } };
}

/** Counts the tenants of a caller that is limited to these. */
async function countSome({ tenants, claims }: OverviewDeps, within: readonly string[]): Promise<Counts> {
  const found = await tenants.search({ limit: within.length, sort: 'id', within });
  const active = found.tenants.filter(({ state }) => state === 'active');
  const checks = await claims.lastChecks(active.map(({ id }) => id));
  return {
    active: active.length,
    suspended: found.tenants.length - active.length,
    checked: checks.size,
    failures: failuresOf(active, checks),
  };
}

function failuresOf(tenants: readonly Tenant[], checks: Awaited<ReturnType<Claims['lastChecks']>>): FailureCount[] {
  const failed = tenants.flatMap(({ id }) => {
    const check = checks.get(id);
    return typeof check?.['step'] === 'string' ? [{ step: check['step'], state: check.state }] : [];
  });
  const groups = Map.groupBy(failed, ({ step, state }) => JSON.stringify([step, state]));
  const counts = [...groups.values()].flatMap((some) => (some[0] ? [{ ...some[0], count: some.length }] : []));
  return counts.sort((one, other) => other.count - one.count);
}
