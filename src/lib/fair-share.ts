/** From this part of the whole on nobody may add to more than its share. */
const CROWDED_PART = 1 / 2;
const SHARE_PART = 1 / 4;

/**
 * A bounded whole that many hold parts of. While it is half empty anybody may take what there is; after that only those who hold less than
 * a quarter of it may add, so that who fills it is refused first and the others still find room.
 */
export class FairShare {
  readonly #max: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether this holder would be refused one more though there may be room. */
  hasEnough(holder: string): boolean {
    return !this.#mayAdd(holder, 1);
  }

  isCrowded(): boolean {
    return this.#total >= this.#max * CROWDED_PART;
  }

  hasRoomFor(amount: number): boolean {
    return this.#total + amount <= this.#max;
  }

  /** Takes so much for this holder, or nothing. One that holds nothing yet gets whatever fits. */
  take(holder: string, amount: number): boolean {
    if (!this.hasRoomFor(amount) || !this.#mayAdd(holder, amount)) return false;
    this.#total += amount;
    this.#held.set(holder, (this.#held.get(holder) ?? 0) + amount);
    return true;
  }

  #mayAdd(holder: string, amount: number): boolean {
    if (this.#total + amount <= this.#max * CROWDED_PART) return true;
    const held = this.#held.get(holder) ?? 0;
    return held === 0 || held + amount <= this.#max * SHARE_PART;
  }

  give(holder: string, amount: number): void {
    this.#total -= amount;
    const held = (this.#held.get(holder) ?? 0) - amount;
    if (held > 0) this.#held.set(holder, held);
    else this.#held.delete(holder);
  }
}
