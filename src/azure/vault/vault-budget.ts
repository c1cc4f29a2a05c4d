import type { VaultUse } from '../../keyring/key-wrapper.ts';
import { TokenBucket } from '../../lib/token-bucket.ts';

/**
 * For cold unwraps: requests with old ciphertexts must not use up the calls that the tenant needs
 * to keep running.
 */
const CIPHERTEXT_PART = 1 / 2;

/**
 * The budget of calls that one process may make to one vault, by cost; at most half for cold
 * unwraps. Times are monotonic milliseconds.
 */
export class VaultBudget {
  readonly #all: TokenBucket;
  readonly #ciphertext: TokenBucket;

  constructor(perSecond: number, burst: number) {
    this.#all = new TokenBucket(perSecond, burst);
    this.#ciphertext = new TokenBucket(perSecond * CIPHERTEXT_PART, Math.max(1, burst * CIPHERTEXT_PART));
  }

  /** Returns the milliseconds until so much may be spent; 0 when it may. */
  msUntil(use: VaultUse, now: number, cost: number): number {
    const ms = this.#all.msUntil(now, cost);
    return use === 'ciphertext' ? Math.max(ms, this.#ciphertext.msUntil(now, cost)) : ms;
  }

  /** Counts a call that is made now. It may cost more than the balance: later calls wait for it. */
  spend(use: VaultUse, now: number, cost: number): void {
    this.#all.owe(now, cost);
    if (use === 'ciphertext') this.#ciphertext.owe(now, cost);
  }
}
