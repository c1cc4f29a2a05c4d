interface RecentBounds {
  readonly max: number;
  /** All values are forgotten at most this long after they were kept; milliseconds. */
  readonly keptMs: number;
}

/**
 * A cache of values that follow from their keys. Beyond `max` it keeps no more until it forgets all
 * of them: frequent keys are among the first, and a flood of different ones costs only look-ups.
 */
export class RecentValues<V> {
  readonly #bounds: RecentBounds;
  readonly #values = new Map<string, V>();

  constructor(bounds: RecentBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  keep(key: string, value: V): void {
    const { max, keptMs } = this.#bounds;
    if (this.#values.size === 0) setTimeout(() => this.#values.clear(), keptMs).unref();
    if (this.#values.size < max) this.#values.set(key, value);
  }
}
