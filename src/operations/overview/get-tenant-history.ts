import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { Check, TenantHistory } from '../../tenants/checks.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';

export interface TenantHistoryDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly history: (tenantId: string) => Promise<TenantHistory>;
}

interface ShownHistory {
  readonly changes: readonly {
    readonly at: string;
    readonly revision: string;
    readonly action: string;
    readonly by: string;
  }[];
  readonly checks: readonly Check[];
}

/**
 * Returns the changes of a tenant's record with their authors, and its checks with a new state,
 * newest first. A removed tenant still has its history.
 * @throws ServiceError
 */
export async function getTenantHistory(
  deps: TenantHistoryDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<ShownHistory> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  const { changes, checks } = await deps.history(tenantId);
  if (changes.length + checks.length === 0) await deps.tenants.get(tenantId); // fails for an unknown tenant
  await recordSuccess(deps, request, { operation: 'tenant-history', tenantId });
  return {
    changes: changes.map(({ revision, action, changedBy, changedAt }) => ({
      at: new Date(changedAt).toISOString(),
      revision: String(revision),
      action,
      by: changedBy,
    })),
    checks,
  };
}
