import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { TokenBucket } from '../lib/token-bucket.ts';

/**
 * The evicted caller is the one that has been idle for longest, and starts again with a full
 * bucket.
 */
const MAX_CALLERS = 10_000;

export interface CallerRatesOptions {
  readonly requestsPerSecond: number;
  /** Requests that may arrive at once. */
  readonly burst: number;
  readonly clock: Clock;
}

/** Limits the requests of each authenticated caller, in one process. */
export class CallerRates {
  readonly #options: CallerRatesOptions;
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: MAX_CALLERS });

  constructor(options: CallerRatesOptions) {
    this.#options = options;
  }

  /**
   * Counts one request.
   * @throws ServiceError `caller-throttled`
   */
  admit(callerId: string): void {
    const bucket = this.#bucketOf(callerId);
    const now = this.#options.clock.monotonicMs();
    if (bucket.take(now)) return;
    const { requestsPerSecond, burst } = this.#options;
    const seconds = Math.max(1, Math.ceil(bucket.msUntil(now) / 1_000));
    const windowSeconds = Math.max(1, Math.ceil(burst / requestsPerSecond));
    throw new ServiceError('caller-throttled', 'The caller exceeds its request rate', {
      retryAfter: seconds,
      limits: [{ name: 'caller', limit: Math.floor(burst), windowSeconds, left: 0, seconds }],
    });
  }

  /**
   * Charges the cost of an admitted request beyond one, such as the items of a batch; the caller's
   * next requests wait for it.
   */
  charge(callerId: string, units: number): void {
    this.#bucketOf(callerId).owe(this.#options.clock.monotonicMs(), units);
  }

  #bucketOf(callerId: string): TokenBucket {
    const known = this.#buckets.get(callerId);
    if (known) return known;
    const { requestsPerSecond, burst } = this.#options;
    const bucket = new TokenBucket(requestsPerSecond, burst);
    this.#buckets.set(callerId, bucket);
    return bucket;
  }
}
