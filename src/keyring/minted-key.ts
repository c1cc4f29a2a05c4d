import type { SealingKey } from '../format/jwe.ts';
import type { DataKeyBounds } from '../tenants/bounds.ts';
import type { KekFacts } from './key-wrapper.ts';

/**
 * At this part of a bound the next data key is minted in the background, so that no request waits
 * for it.
 */
const AHEAD_PART = 0.9;

/** Its header is that of messages; `mac` is for headers of other types. */
export interface MintedSealingKey extends SealingKey {
  readonly mac: string;
}

/**
 * A data key that this process made, with its counts, which continue through every new proof of
 * access.
 */
export class MintedKey {
  readonly key: MintedSealingKey;
  readonly facts: KekFacts;
  readonly #bounds: DataKeyBounds;
  readonly #mintedAt: number;
  #messages = 0;
  #bytes = 0;

  constructor(key: MintedSealingKey, facts: KekFacts, bounds: DataKeyBounds, mintedAt: number) {
    this.key = key;
    this.facts = facts;
    this.#bounds = bounds;
    this.#mintedAt = mintedAt;
  }

  /**
   * Counts one message before it is sealed. Returns false, and counts nothing, if that would exceed
   * a bound.
   */
  take(now: number, bytes: number): boolean {
    const { maxAgeMs, maxMessages, maxBytes } = this.#bounds;
    if (now - this.#mintedAt >= maxAgeMs) return false;
    if (this.#messages + 1 > maxMessages || this.#bytes + bytes > maxBytes) return false;
    this.#messages += 1;
    this.#bytes += bytes;
    return true;
  }

  isNearlySpent(now: number): boolean {
    const { maxAgeMs, maxMessages, maxBytes } = this.#bounds;
    return (
      now - this.#mintedAt >= maxAgeMs * AHEAD_PART ||
      this.#messages >= maxMessages * AHEAD_PART ||
      this.#bytes >= maxBytes * AHEAD_PART
    );
  }
}
