import { LRUCache } from 'lru-cache';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { TokenBucket } from '../../lib/token-bucket.ts';

/** Links that were guessed or have ended, of all callers together. */
const GUESSES = { perSecond: 20, burst: 100 };
/** Requests of one link. A page that follows a drill makes one a second. */
const REQUESTS = { perSecond: 5, burst: 100 };
/** Checks, rings and starts of drills of one link: each costs calls of the customer's vault. */
const ACTIONS = { perSecond: 0.2, burst: 10 };
const MAX_LINKS = 1_000;

/** Limits what one process does for the holders of links, and for those who guess them. */
export class LinkRates {
  readonly #clock: Clock;
  readonly #guesses = new TokenBucket(GUESSES.perSecond, GUESSES.burst);
  readonly #requests = new LRUCache<string, TokenBucket>({ max: MAX_LINKS });
  readonly #actions = new LRUCache<string, TokenBucket>({ max: MAX_LINKS });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns whether another link may be looked up that turned out to be none before. */
  mayGuess(): boolean {
    return this.#guesses.msUntil(this.#clock.monotonicMs()) === 0;
  }

  countGuess(): void {
    this.#guesses.take(this.#clock.monotonicMs());
  }

  /** @throws ServiceError `caller-throttled` */
  countRequest(linkId: string): void {
    this.#count(this.#requests, linkId, REQUESTS);
  }

  /** @throws ServiceError `caller-throttled` */
  countAction(linkId: string): void {
    this.#count(this.#actions, linkId, ACTIONS);
  }

  #count(buckets: LRUCache<string, TokenBucket>, linkId: string, rate: typeof REQUESTS): void {
    let bucket = buckets.get(linkId);
    if (!bucket) {
      bucket = new TokenBucket(rate.perSecond, rate.burst);
      buckets.set(linkId, bucket);
    }
    const now = this.#clock.monotonicMs();
    if (bucket.take(now)) return;
    throw new ServiceError('caller-throttled', 'This page was used too often in a short time', {
      retryAfter: Math.max(1, Math.ceil(bucket.msUntil(now) / 1_000)),
    });
  }
}
