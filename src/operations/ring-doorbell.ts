import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEvent } from '../audit/event.ts';
import { ServiceError } from '../errors.ts';
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
/** More than a process can receive in that time, so that they are only reached while the database is slow. */
const MAX_WAITING = 4_000;

/** Made once: creating an error captures the stack, at the time when the process has least to spare. */
const TOO_MANY_WAIT = new ServiceError('overloaded', 'Too many rings wait for the database: ring again', {
  reason: 'doorbell',
  retryAfter: 1,
});

type Rung = Awaited<ReturnType<BellStore['ring']>>;

/** The limit of all rings of a process. */
export interface DoorbellLimit {
  readonly rate: Pick<TokenBucket, 'take'>;
  /**
   * Rings a bell of a flood, after a look-up together with the others. Rings of one bell share its
   * outcome, and only the first of them gets the ring itself.
   * @throws ServiceError `overloaded`, for every bell alike
   */
  readonly ringGathered: (digest: string) => Promise<Rung>;
}

export const doorbellLimit = (bells: Pick<BellStore, 'known' | 'ring'>): DoorbellLimit => ({
  rate: new TokenBucket(PER_SECOND, BURST),
  ringGathered: gatheredRings(bells),
});

/** Returns a function that rings at the cost of one look-up at a time, however many bells a flood has. */
function gatheredRings(bells: Pick<BellStore, 'known' | 'ring'>): DoorbellLimit['ringGathered'] {
  const rings = new Map<string, Promise<Rung>>();
  let waiting = 0;
  let gathered: string[] = [];
  let next: Promise<ReadonlySet<string>> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const lookUp = async (): Promise<ReadonlySet<string>> => {
    await Promise.all([sleep(GATHERED_MS), last]);
    const found = bells.known(gathered);
    gathered = [];
    next = undefined;
    last = found.catch(() => undefined); // those who wait get the failure; the next look-up runs anyway
    return new Set(await found);
  };
  const ringIfKnown = async (digest: string): Promise<Rung> => {
    gathered.push(digest);
    next ??= lookUp();
    try {
      return (await next).has(digest) ? await bells.ring(digest) : 'unknown';
    } finally {
      rings.delete(digest);
    }
  };
  return async (digest) => {
    if (waiting >= MAX_WAITING) throw TOO_MANY_WAIT;
    waiting += 1;
    try {
      const shared = rings.get(digest);
      if (!shared) return await rings.getOrInsertComputed(digest, ringIfKnown);
      const rung = await shared;
      return rung === 'unknown' ? rung : 'quiet';
    } finally {
      waiting -= 1;
    }
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
 * @throws ServiceError `registry-unavailable`, `overloaded`: the ring had no effect
 */
export async function ringDoorbell(
  { bells, clock, recordLater, countRefusal }: RingDoorbellDeps,
  { rate, ringGathered }: DoorbellLimit,
  { requestId, bell, stepAside }: RingInput,
): Promise<void> {
  const digest = bellDigest(bell);
  const isWithinRate = rate.take(clock.monotonicMs());
  // A flood of guesses must not hold a customer's ring back.
  if (!isWithinRate) stepAside();
  const ring = (known: string) => (isWithinRate ? bells.ring(known) : ringGathered(known));
  const rung = digest === undefined ? 'unknown' : await ring(digest);
  if (rung === 'unknown') {
    const refusal = isWithinRate
      ? ({ code: 'tenant-not-found', reason: 'bell-unknown' } as const)
      : ({ code: 'caller-throttled', reason: 'doorbell' } as const);
    countRefusal({ operation: 'doorbell', outcome: 'refused', requestId, ...refusal });
  } else if (rung !== 'quiet') {
    recordLater({ operation: 'doorbell', outcome: 'succeeded', requestId, tenantId: rung.tenantId });
  }
}
