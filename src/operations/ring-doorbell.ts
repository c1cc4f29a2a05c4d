import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEvent } from '../audit/event.ts';
import type { Clock } from '../lib/clock.ts';
import { TokenBucket } from '../lib/token-bucket.ts';
import { type BellStore, bellDigest } from '../tenants/bells.ts';

export interface RingDoorbellDeps {
  /** Rings in every process. */
  readonly bells: Pick<BellStore, 'ring' | 'known'>;
  readonly clock: Clock;
  /** Records a ring in the audit log, later if the log is away: a ring takes effect and is accepted. */
  readonly recordLater: (event: AuditEvent) => void;
  /** Counts refusals, of which a stranger can cause any number. */
  readonly countRefusal: (event: AuditEvent) => void;
}

/** Rings of all callers together that a process takes one by one: more would be guesses or a flood. */
const PER_SECOND = 20;
const BURST = 100;
/** Beyond that rate, bells that arrive within this time are looked up by one query. */
const GATHERED_MS = 250;
const MAX_GATHERED = 1_000;

/** The limit of all rings of a process. */
export interface DoorbellLimit {
  readonly rate: TokenBucket;
  /** Returns whether a bell of a flood exists and no other ring of it waits. */
  readonly isKnown: (digest: string) => Promise<boolean>;
}

export const doorbellLimit = (bells: Pick<BellStore, 'known'>): DoorbellLimit => ({
  rate: new TokenBucket(PER_SECOND, BURST),
  isKnown: gatheredLookUps(bells),
});

/** Returns a look-up that costs one query at a time, however many bells a flood has. */
function gatheredLookUps(bells: Pick<BellStore, 'known'>): DoorbellLimit['isKnown'] {
  let waiting = new Set<string>();
  let next: Promise<ReadonlySet<string>> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const lookUp = async (): Promise<ReadonlySet<string>> => {
    await Promise.all([sleep(GATHERED_MS), last]);
    const found = bells.known([...waiting]);
    waiting = new Set();
    next = undefined;
    last = found.catch(() => undefined); // those who wait get the failure; the next look-up runs anyway
    return new Set(await found);
  };
  return async (digest) => {
    if (waiting.has(digest) || waiting.size >= MAX_GATHERED) return false;
    waiting.add(digest);
    next ??= lookUp();
    return (await next).has(digest);
  };
}

interface RingInput {
  readonly requestId: string;
  readonly bell: string;
  /** Called before a wait with others: a flood must not take the places of concurrent requests. */
  readonly stepAside: () => void;
}

/**
 * Rings a tenant's bell: every process drops the tenant's keys and proofs, and must ask the vault at
 * the next use. An unknown bell looks like a known one, while the audit log is away too.
 * @throws ServiceError `registry-unavailable`
 */
export async function ringDoorbell(
  { bells, clock, recordLater, countRefusal }: RingDoorbellDeps,
  { rate, isKnown }: DoorbellLimit,
  { requestId, bell, stepAside }: RingInput,
): Promise<void> {
  const refused = { operation: 'doorbell', outcome: 'refused', requestId } as const;
  const digest = bellDigest(bell);
  // A flood of guesses must not hold a customer's ring back.
  if (!rate.take(clock.monotonicMs())) {
    stepAside();
    if (digest === undefined || !(await isKnown(digest))) {
      countRefusal({ ...refused, code: 'caller-throttled', reason: 'doorbell' });
      return;
    }
  }
  const ring = digest === undefined ? 'unknown' : await bells.ring(digest);
  if (ring === 'unknown') countRefusal({ ...refused, code: 'tenant-not-found', reason: 'bell-unknown' });
  else if (ring !== 'quiet') {
    recordLater({ operation: 'doorbell', outcome: 'succeeded', requestId, tenantId: ring.tenantId });
  }
}
