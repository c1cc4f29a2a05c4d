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
   * Counts messages, one by default, before they are sealed. Returns false, and counts nothing, if
   * that would exceed a bound. `bytes` are those of all.
   */
  take(now: number, bytes: number, messages = 1): boolean {
    const { maxAgeMs, maxMessages, maxBytes } = this.#bounds;
    if (now - this.#mintedAt >= maxAgeMs) return false;
    if (this.#messages + messages > maxMessages || this.#bytes + bytes > maxBytes) return false;
    this.#messages += messages;
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
