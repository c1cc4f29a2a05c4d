import type { VaultUse } from '../../keyring/key-wrapper.ts';
import { TokenBucket } from '../../lib/token-bucket.ts';

/** For cold unwraps: whoever holds old ciphertexts must not use up what keeps the tenant going. */
const CIPHERTEXT_PART = 1 / 2;

/** Calls that one process may make to one vault, at most half of them for cold unwraps. Times are monotonic milliseconds. */
export class VaultBudget {
  readonly #all: TokenBucket;
  readonly #ciphertext: TokenBucket;

  constructor(perSecond: number, burst: number) {
    this.#all = new TokenBucket(perSecond, burst);
    this.#ciphertext = new TokenBucket(perSecond * CIPHERTEXT_PART, Math.max(1, burst * CIPHERTEXT_PART));
  }

  /** Milliseconds until so many calls of this kind may be made; 0 when they may. */
  msUntil(use: VaultUse, now: number, calls: number): number {
    const ms = this.#all.msUntil(now, calls);
    return use === 'ciphertext' ? Math.max(ms, this.#ciphertext.msUntil(now, calls)) : ms;
  }

  /** Counts a call that may be made now. */
  spend(use: VaultUse, now: number): void {
    this.#all.take(now);
    if (use === 'ciphertext') this.#ciphertext.take(now);
  }
}
