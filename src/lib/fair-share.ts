/** Once this part of the whole is taken, a holder may not exceed its share. */
const CROWDED_PART = 1 / 2;
const SHARE_PART = 1 / 4;

/**
 * A bounded whole that many holders share. While half of it is free, any holder may take as much as
 * is free. After that only holders of less than a quarter may add, so that the holder who fills it
 * is refused first and the others still find room.
 */
export class FairShare {
  readonly #max: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Returns whether this holder would be refused one more although there may be room. */
  hasEnough(holder: string): boolean {
    return !this.#mayAdd(holder, 1, 0);
  }

  isCrowded(): boolean {
    return this.#total >= this.#max * CROWDED_PART;
  }

  hasRoomFor(amount: number): boolean {
    return this.#total + amount <= this.#max;
  }

  /** Returns whether `take` would succeed. */
  canTake(holder: string, amount: number, own = 0): boolean {
    return this.hasRoomFor(amount) && this.#mayAdd(holder, amount, own);
  }

  /**
   * Takes so much for this holder, or nothing. A holder that has nothing yet, or only the `own`
   * part to which this adds, gets any amount that fits.
   */
  take(holder: string, amount: number, own = 0): boolean {
    if (!this.canTake(holder, amount, own)) return false;
    if (amount === 0) return true; // `give` would not delete an entry of nothing
    this.#total += amount;
    this.#held.set(holder, (this.#held.get(holder) ?? 0) + amount);
    return true;
  }

  #mayAdd(holder: string, amount: number, own: number): boolean {
    if (this.#total + amount <= this.#max * CROWDED_PART) return true;
    const held = this.#held.get(holder) ?? 0;
    return held <= own || held + amount <= this.#max * SHARE_PART;
  }

  give(holder: string, amount: number): void {
    if (amount === 0) return;
    this.#total -= amount;
    const held = (this.#held.get(holder) ?? 0) - amount;
    if (held > 0) this.#held.set(holder, held);
    else this.#held.delete(holder);
  }
}
