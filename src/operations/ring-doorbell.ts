import type { AuditEvent } from '../audit/event.ts';
import type { Clock } from '../lib/clock.ts';
import { TokenBucket } from '../lib/token-bucket.ts';
import { type BellStore, bellDigest } from '../tenants/bells.ts';

export interface RingDoorbellDeps {
  /** Rings in every process. */
  readonly bells: Pick<BellStore, 'ring'>;
  readonly clock: Clock;
  /** Records a ring in the audit log, later if the log is away: a ring takes effect and is accepted. */
  readonly recordLater: (event: AuditEvent) => void;
  /** Counts refusals, of which a stranger can cause any number. */
  readonly countRefusal: (event: AuditEvent) => void;
}

/** Rings of all callers together that a process takes: more would be guesses or a flood. */
const PER_SECOND = 20;
const BURST = 100;

/** Returns the limit of all rings of a process. */
export const doorbellRate = (): TokenBucket => new TokenBucket(PER_SECOND, BURST);

/**
 * Rings a tenant's bell: every process drops the tenant's keys and proofs, and must ask the vault at
 * the next use. An unknown bell looks like a known one, while the audit log is away too.
 * @throws ServiceError `registry-unavailable`
 */
export async function ringDoorbell(
  { bells, clock, recordLater, countRefusal }: RingDoorbellDeps,
  rate: TokenBucket,
  { requestId, bell }: { readonly requestId: string; readonly bell: string },
): Promise<void> {
  const refused = { operation: 'doorbell', outcome: 'refused', requestId } as const;
  if (!rate.take(clock.monotonicMs())) {
    countRefusal({ ...refused, code: 'caller-throttled', reason: 'doorbell' });
    return;
  }
  const digest = bellDigest(bell);
  const ring = digest === undefined ? 'unknown' : await bells.ring(digest);
  if (ring === 'unknown') countRefusal({ ...refused, code: 'tenant-not-found', reason: 'bell-unknown' });
  else if (ring !== 'quiet') {
    recordLater({ operation: 'doorbell', outcome: 'succeeded', requestId, tenantId: ring.tenantId });
  }
}
