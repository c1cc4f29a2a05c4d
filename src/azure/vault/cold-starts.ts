import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { FairQueue } from '../../lib/fair-queue.ts';
import { TokenBucket } from '../../lib/token-bucket.ts';

export interface ColdStartLimits {
  /** First calls under way. Each has one connection to Entra and one to its vault. */
  readonly maxConcurrent: number;
  /** First calls that may begin: they cost far more CPU than warm requests, which need it too. */
  readonly perSecond: number;
}

export const COLD_START_LIMITS: ColdStartLimits = { maxConcurrent: 16, perSecond: 50 };

/** A turn that would come later than this part of the deadline leaves too little of it for the call. */
const WAITING_PART = 0.6;
const LONGEST_RETRY_MS = 120_000;

interface Waiting {
  readonly start: () => void;
}

/**
 * The first call to each vault: a sign-in, a challenge and the call itself. After a restart all tenants want theirs at once, so
 * they take turns, tenant by tenant, and the caller's deadline counts the wait. What can't have its turn in time is refused at once, with
 * a time to come back that differs from one refusal to the next.
 */
export class ColdStarts {
  readonly #limits: ColdStartLimits;
  readonly #clock: Clock;
  readonly #starts: TokenBucket;
  readonly #waiting = new FairQueue<Waiting>();
  #underWay = 0;
  #lastPromise = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, limits: ColdStartLimits = COLD_START_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
    this.#starts = new TokenBucket(limits.perSecond, limits.maxConcurrent);
  }

  /** @throws ServiceError `overloaded`, reason `cold-start`; the signal's reason; what the call throws */
  async run<T>(tenantId: string, deadlineMs: number, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    await this.#turn(tenantId, deadlineMs, signal);
    let isEnded = false;
    const end = () => {
      if (isEnded) return;
      isEnded = true;
      signal.removeEventListener('abort', end);
      this.#underWay -= 1;
      this.#serve();
    };
    signal.addEventListener('abort', end); // a call that doesn't heed its signal holds no place
    try {
      return await call();
    } finally {
      end();
    }
  }

  async #turn(tenantId: string, deadlineMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw signal.reason;
    if (this.#waiting.size === 0 && this.#mayStart()) return this.#start();
    const waitMs = this.#waitMs(tenantId);
    if (waitMs > deadlineMs * WAITING_PART) throw this.#refusal(waitMs);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.remove(tenantId, waiting);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', onAbort);
          this.#start();
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort);
      this.#waiting.push(tenantId, waiting);
      this.#wakeInTime();
    });
  }

  /** Returns how long the tenant's next call would wait, as far as the rate tells. */
  #waitMs(tenantId: string): number {
    const own = this.#waiting.sizeOf(tenantId);
    const ahead = Math.min(this.#waiting.size + 1, (own + 1) * (this.#waiting.owners + (own === 0 ? 1 : 0)));
    return this.#starts.msUntil(this.#clock.monotonicMs(), ahead);
  }

  /** Refusals are told to come back one after the other, at the rate at which they can be served. */
  #refusal(waitMs: number): ServiceError {
    const now = this.#clock.monotonicMs();
    this.#lastPromise = Math.max(this.#lastPromise + 1_000 / this.#limits.perSecond, now + waitMs);
    const retryMs = Math.min(LONGEST_RETRY_MS, this.#lastPromise - now);
    return new ServiceError('overloaded', "Too many tenants' vaults are being opened for the first time", {
      reason: 'cold-start',
      retryAfter: Math.max(1, Math.ceil(retryMs / 1_000)),
    });
  }

  #mayStart(): boolean {
    return this.#underWay < this.#limits.maxConcurrent && this.#starts.msUntil(this.#clock.monotonicMs()) === 0;
  }

  #start(): void {
    this.#starts.take(this.#clock.monotonicMs());
    this.#underWay += 1;
  }

  #serve(): void {
    while (this.#waiting.size > 0 && this.#mayStart()) this.#waiting.shift()?.start();
    this.#wakeInTime();
  }

  /** Where all places are taken, the end of a call wakes the queue; else the clock does. */
  #wakeInTime(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0 || this.#underWay >= this.#limits.maxConcurrent) return;
    const waitMs = this.#starts.msUntil(this.#clock.monotonicMs());
    this.#timer = setTimeout(() => this.#serve(), Math.ceil(waitMs));
  }
}
