import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { type FieldError, ServiceError } from '../../errors.ts';
import type { LeaseUsage, ReportedLease, ReportFault } from '../../tenants/lease-store.ts';
import { assertGranted } from '../granted-tenant.ts';
import { recordSuccess } from '../record-success.ts';
import type { LeaseDeps } from './lease-deps.ts';

export interface LeaseReport extends LeaseUsage {
  readonly tenantId: string;
  readonly leaseId: string;
}

type ReportDeps = Pick<LeaseDeps, 'leases' | 'leaseCounts' | 'countKeyUse' | 'audit' | 'contextDigest'>;

/**
 * Accepts a holder's report. It needs no active tenant: a holder reports after a suspension, a
 * revocation and a removal too.
 * @throws ServiceError `grant-missing`, `tenant-not-found` for a tenant that the caller may not
 * name, `lease-not-found`, `malformed-request`, `registry-unavailable`
 */
export async function reportLeaseUsage(
  deps: ReportDeps,
  request: AuthenticatedRequest,
  { tenantId, leaseId, ...usage }: LeaseReport,
): Promise<void> {
  const { principal } = request;
  assertGranted(principal, 'Keys.Lease', tenantId);
  const reported = await deps.leases.report({ tenantId, id: leaseId, principal: principal.id }, usage);
  if ('fault' in reported) throw refusalOf(reported);
  count(deps, tenantId, reported);
  const { kid, keyId, sealed, opened, bytes, isFinal, openedByKey } = reported;
  await recordSuccess(deps, request, {
    operation: 'lease-usage',
    ...(isFinal && { phase: 'finished' }),
    tenantId,
    keyId,
    bytes,
    lease: leaseId,
    leaves: [kid],
    items: { sealed, opened },
    keys: openedByKey.map((use) => ({ keyId: use.keyId, vaultRequestId: '', count: use.opened })),
  });
}

/** Counts what no earlier report had. */
function count({ leaseCounts, countKeyUse }: ReportDeps, tenantId: string, { added, hasEnded }: ReportedLease): void {
  for (const { keyId, sealed, opened } of added) {
    leaseCounts.sealed += sealed;
    leaseCounts.opened += opened;
    if (sealed > 0) countKeyUse(tenantId, keyId, 'sealed', sealed);
    if (opened > 0) countKeyUse(tenantId, keyId, 'opened', opened);
  }
  if (hasEnded) leaseCounts.finished += 1;
}

/** The same answer for a lease that does not exist, another caller's and another tenant's. */
function refusalOf(fault: ReportFault): ServiceError {
  switch (fault.fault) {
    case 'unknown-lease':
      return new ServiceError('lease-not-found', 'The caller has no lease with this id, or it ended over a day ago', {
        errors: [{ pointer: '/path/leaseId', detail: 'is not a lease of the caller' }],
      });
    case 'finished':
      return malformed([{ pointer: '', detail: 'is more than the final report of the lease had' }], 'lease-finished');
    case 'too-many-messages':
      return malformed([{ pointer: '/sealed', detail: 'is more than the lease allows' }]);
    case 'too-many-leaves':
      return malformed([{ pointer: '/opened', detail: 'has more leaves than one lease may report' }]);
    case 'unknown-leaves':
      return malformed(
        fault.kids
          .slice(0, MAX_ERRORS)
          .map((kid) => ({ pointer: `/opened/${kid}`, detail: 'is not a leaf that the caller received' })),
      );
  }
}

const MAX_ERRORS = 16;

const malformed = (errors: readonly FieldError[], reason?: string): ServiceError =>
  new ServiceError('malformed-request', 'The report does not agree with the lease', { errors, reason });
