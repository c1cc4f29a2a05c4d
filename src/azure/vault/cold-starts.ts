import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { FairQueue } from '../../lib/fair-queue.ts';
import { TokenBucket } from '../../lib/token-bucket.ts';

export interface ColdStartLimits {
  /** Concurrent first calls. Each has one connection to Entra and one to its vault. */
  readonly maxConcurrent: number;
  /** First calls that may begin: they cost far more CPU than warm requests, which need it too. */
  readonly perSecond: number;
}

export const COLD_START_LIMITS: ColdStartLimits = { maxConcurrent: 16, perSecond: 25 };

/** First calls start one by one: a burst of them would block the main thread until all have done their TLS handshakes. */
const BURST = 1;
/** A turn after this part of the deadline would leave too little time for the call. */
const WAITING_PART = 0.6;
const LONGEST_RETRY_MS = 120_000;

interface Waiting {
  readonly start: () => void;
}

/**
 * The first call to each vault: a sign-in, a challenge and the call itself. After a restart all
 * tenants want theirs at once, so they take turns, tenant by tenant, and the caller's deadline
 * includes the wait. A call that cannot have its turn in time is refused at once, with a
 * Retry-After that differs between refusals.
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
    this.#starts = new TokenBucket(limits.perSecond, BURST);
  }

  /**
   * Runs a first call in its turn.
   * @throws ServiceError `overloaded`, reason `cold-start`; the signal's reason; the call's error
   */
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
    signal.addEventListener('abort', end); // a call that ignores its signal holds no place
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

  /** Returns the expected wait of the tenant's next call, according to the rate. */
  #waitMs(tenantId: string): number {
    const own = this.#waiting.sizeOf(tenantId);
    const ahead = Math.min(this.#waiting.size + 1, (own + 1) * (this.#waiting.owners + (own === 0 ? 1 : 0)));
    return this.#starts.msUntil(this.#clock.monotonicMs(), ahead);
  }

  /**
   * Returns a refusal. Refused calls are told to retry one after the other, at the rate at which
   * they can be served.
   */
  #refusal(waitMs: number): ServiceError {
    const now = this.#clock.monotonicMs();
    this.#lastPromise = Math.max(this.#lastPromise + 1_000 / this.#limits.perSecond, now + waitMs);
    const servedInMs = this.#lastPromise - now;
    // Beyond the longest time nobody can be told the right one, and the same one would bring all of them at once.
    const retryMs = servedInMs < LONGEST_RETRY_MS ? servedInMs : LONGEST_RETRY_MS * (0.5 + Math.random() / 2);
    return new ServiceError('overloaded', 'Too many tenants need their vault for the first time', {
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

  /** With all places taken, the end of a call wakes the queue; otherwise the clock does. */
  #wakeInTime(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0 || this.#underWay >= this.#limits.maxConcurrent) return;
    const waitMs = this.#starts.msUntil(this.#clock.monotonicMs());
    this.#timer = setTimeout(() => this.#serve(), Math.ceil(waitMs));
  }
}
