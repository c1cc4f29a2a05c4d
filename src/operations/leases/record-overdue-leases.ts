import { randomUUID } from 'node:crypto';
import type { AuditSink } from '../../audit/sink.ts';
import type { LeaseStore, OverdueLease } from '../../tenants/lease-store.ts';
import type { LeaseCounts } from './lease-counts.ts';

export interface RecordOverdueDeps {
  readonly audit: Pick<AuditSink, 'record'>;
  readonly leases: Pick<LeaseStore, 'claimOverdue' | 'settle' | 'deleteOld'>;
  readonly leaseCounts: LeaseCounts;
}

const AT_ONCE = 500;
/** A process that dies between the record and the note of it makes another one record it again. */
const CLAIM_MS = 60_000;

/**
 * Records each lease whose holder has not reported in time: it counts as all the messages that it
 * allowed. Nobody is barred for it, since a pod that was killed cannot report.
 * @throws ServiceError `registry-unavailable`, `audit-unavailable`: the rest is recorded later
 */
export async function recordOverdueLeases({ audit, leases, leaseCounts }: RecordOverdueDeps): Promise<void> {
  for (;;) {
    const claimed = await leases.claimOverdue(AT_ONCE, CLAIM_MS);
    for (const overdue of claimed) {
      await audit.record(eventOf(overdue));
      await leases.settle(overdue);
      count(leaseCounts, overdue);
    }
    if (claimed.length === 0) break;
  }
  await leases.deleteOld();
}

const eventOf = ({ tenantId, principal, keyId, lease, kids }: OverdueLease) => ({
  operation: 'lease-overdue',
  outcome: 'failed' as const,
  reason: 'unreported',
  requestId: randomUUID(), // no request has this record
  principal,
  tenantId,
  keyId,
  ...(lease && { lease: lease.id }),
  leaves: kids,
  items: lease ? { sealed: lease.sealed, unreported: unreportedBy(lease) } : { 'unreported-leaves': kids.length },
});

function count(counts: LeaseCounts, { lease, kids }: OverdueLease): void {
  if (lease) {
    counts.overdue += 1;
    counts.unreported += unreportedBy(lease);
  } else counts.leavesOverdue += kids.length;
}

const unreportedBy = ({ maxMessages, sealed }: NonNullable<OverdueLease['lease']>): number => maxMessages - sealed;
