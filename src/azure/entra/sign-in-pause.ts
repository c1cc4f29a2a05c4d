import type { ServiceError } from '../../errors.ts';
import { readForeignError } from '../foreign-error.ts';

interface Step {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** A throttled or unreachable Entra is called less and less often. */
const THROTTLED: Step = { firstMs: 5_000, longestMs: 60_000 };
const OUTAGE: Step = { firstMs: 1_000, longestMs: 30_000 };
/** Constant, so that access returns soon after a customer or the vendor has corrected the cause. */
const REJECTED: Step = { firstMs: 10_000, longestMs: 10_000 };
const REFUSED: Step = { firstMs: 5_000, longestMs: 5_000 };
const LONGEST_RETRY_AFTER_MS = 300_000;
/** Processes must not retry together. Jitter only ever extends a Retry-After. */
const JITTER = 0.2;

/**
 * The state of a cached failure: sign-ins before `until` would fail. Times are monotonic
 * milliseconds.
 */
export class SignInPause {
  #failure: ServiceError | undefined;
  #until = Number.NEGATIVE_INFINITY;
  #steps = 0;

  /** Returns the failure that still applies. */
  failureAt(now: number): ServiceError | undefined {
    return now < this.#until ? this.#failure : undefined;
  }

  get lastFailure(): ServiceError | undefined {
    return this.#failure;
  }

  msLeft(now: number): number {
    return Math.max(0, this.#until - now);
  }

  /** Caches a failure for the next back-off step. */
  failed(failure: ServiceError, now: number): void {
    this.#steps = failure.code === this.#failure?.code && failure.reason === this.#failure.reason ? this.#steps + 1 : 0;
    this.#failure = failure;
    this.#until = now + pauseMs(failure, this.#steps);
  }
}

function pauseMs(failure: ServiceError, steps: number): number {
  const retryAfter = failure.reason === 'throttled' ? readForeignError(failure.cause).retryAfter : undefined;
  if (retryAfter !== undefined) {
    return Math.min(retryAfter * 1_000, LONGEST_RETRY_AFTER_MS) * (1 + Math.random() * JITTER);
  }
  const { firstMs, longestMs } = stepOf(failure);
  return Math.min(firstMs * 2 ** steps, longestMs) * (1 - Math.random() * JITTER);
}

function stepOf({ code, reason }: ServiceError): Step {
  if (code === 'home-credential-rejected') return REJECTED;
  if (!isTrouble(code)) return REFUSED;
  return reason === 'throttled' ? THROTTLED : OUTAGE;
}

/**
 * Returns whether a failure says nothing about the customer's will: Entra, or our own home vault,
 * has an outage.
 */
export const isTrouble = (code: ServiceError['code']): boolean =>
  code === 'identity-unavailable' || code === 'vault-unavailable';
