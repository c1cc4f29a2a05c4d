/**
 * A queue that takes turns between owners: one with a thousand items delays another's single item
 * by one turn.
 */
export class FairQueue<T> {
  readonly #byOwner = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Returns the number of owners with waiting items. */
  get owners(): number {
    return this.#byOwner.size;
  }

  sizeOf(owner: string): number {
    return this.#byOwner.get(owner)?.size ?? 0;
  }

  push(owner: string, item: T): void {
    this.#byOwner.getOrInsertComputed(owner, () => new Set<T>()).add(item);
    this.#size += 1;
  }

  /** Returns the oldest item of the owner whose turn it is. */
  shift(): T | undefined {
    for (const [owner, items] of this.#byOwner) {
      for (const item of items) {
        this.#byOwner.delete(owner);
        if (items.size > 1) this.#byOwner.set(owner, items); // to the end: the others have their turn first
        items.delete(item);
        this.#size -= 1;
        return item;
      }
    }
    return undefined;
  }

  remove(owner: string, item: T): void {
    const items = this.#byOwner.get(owner);
    if (!items?.delete(item)) return;
    this.#size -= 1;
    if (items.size === 0) this.#byOwner.delete(owner);
  }
}
