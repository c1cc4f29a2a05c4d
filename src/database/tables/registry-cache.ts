import { BoundedMap, ExpiringMap } from '../../lib/bounded-map.ts';
import type { Clock } from '../../lib/clock.ts';

export interface RegistryCacheOptions<T> {
  readonly load: (id: string) => Promise<T | undefined>;
  readonly clock: Clock;
  readonly maxEntries: number;
  /** Longest use of an unconfirmed entry, in milliseconds. */
  readonly staleAfterMs: number;
}

interface Entry<T> {
  readonly value: T;
  readonly readAt: number;
}

interface Flight<T> {
  readonly value: Promise<T | undefined>;
}

const MAX_ABSENT = 1_000;
/**
 * Short: an id that is requested before its tenant is created must not stay absent when the
 * notification is lost.
 */
const ABSENT_TTL_MS = 5_000;

/**
 * Caches entries while they are known to be current: until an entry is dropped, or until
 * `staleAfterMs` after it was read or all entries were last confirmed. Concurrent requests for one
 * id share one read.
 */
export class RegistryCache<T> {
  readonly #options: RegistryCacheOptions<T>;
  readonly #entries: BoundedMap<Entry<T>>;
  readonly #absent: ExpiringMap<object>;
  readonly #flights = new Map<string, Flight<T>>();
  #confirmedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RegistryCacheOptions<T>) {
    this.#options = options;
    this.#entries = new BoundedMap(options.maxEntries);
    this.#absent = new ExpiringMap(MAX_ABSENT, { ttlMs: ABSENT_TTL_MS, clock: options.clock });
  }

  get(id: string): Promise<T | undefined> | T | undefined {
    const entry = this.#entries.get(id);
    if (entry && this.#isCurrent(entry)) return entry.value;
    if (this.#absent.has(id)) return undefined;
    return this.#load(id);
  }

  /**
   * Drops a changed entry. A read that is under way may have seen the old value: its callers get
   * it, and later ones do not.
   */
  drop(id: string): void {
    this.#entries.delete(id);
    this.#absent.delete(id);
    this.#flights.delete(id);
  }

  clear(): void {
    this.#entries.clear();
    this.#absent.clear();
    this.#flights.clear();
  }

  /** Notes that every change before `atMs` (on the monotonic clock) has been dropped. */
  confirm(atMs: number): void {
    this.#confirmedAt = atMs;
  }

  /**
   * Returns the time of the last confirmation of all entries, on the monotonic clock; -Infinity
   * before the first.
   */
  get confirmedAt(): number {
    return this.#confirmedAt;
  }

  #isCurrent({ readAt }: Entry<T>): boolean {
    const { clock, staleAfterMs } = this.#options;
    return clock.monotonicMs() - Math.max(readAt, this.#confirmedAt) <= staleAfterMs;
  }

  #load(id: string): Promise<T | undefined> {
    const known = this.#flights.get(id);
    if (known) return known.value;
    const flight: Flight<T> = { value: this.#read(id, () => this.#flights.get(id) === flight) };
    this.#flights.set(id, flight);
    return flight.value;
  }

  async #read(id: string, isWanted: () => boolean): Promise<T | undefined> {
    const readAt = this.#options.clock.monotonicMs();
    try {
      const value = await this.#options.load(id);
      if (isWanted()) {
        if (value === undefined) this.#absent.set(id, {});
        else this.#entries.set(id, { value, readAt });
      }
      return value;
    } finally {
      if (isWanted()) this.#flights.delete(id);
    }
  }
}
