import { boundedMap } from '../../lib/bounded-map.ts';
import type { Clock } from '../../lib/clock.ts';

export interface RegistryCacheOptions<T> {
  readonly load: (id: string) => Promise<T | undefined>;
  readonly clock: Clock;
  readonly maxEntries: number;
  /** Longest use of an entry that nothing has confirmed, in milliseconds. */
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
/** Short: an id that is asked for before its tenant is created must not stay absent where the notification is lost. */
const ABSENT_TTL_MS = 5_000;

/**
 * What was read, for as long as it is known to be current: until it is dropped, or until `staleAfterMs` after it was read or all was last
 * confirmed. Callers that come while an id is read share that read.
 */
export class RegistryCache<T> {
  readonly #options: RegistryCacheOptions<T>;
  readonly #entries: ReturnType<typeof boundedMap<Entry<T>>>;
  readonly #absent: ReturnType<typeof boundedMap<object>>;
  readonly #flights = new Map<string, Flight<T>>();
  #confirmedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RegistryCacheOptions<T>) {
    this.#options = options;
    this.#entries = boundedMap(options.maxEntries);
    this.#absent = boundedMap(MAX_ABSENT, { ttlMs: ABSENT_TTL_MS, clock: options.clock });
  }

  get(id: string): Promise<T | undefined> | T | undefined {
    const entry = this.#entries.get(id);
    if (entry && this.#isCurrent(entry)) return entry.value;
    if (this.#absent.has(id)) return undefined;
    return this.#load(id);
  }

  /** It has changed. A read that is under way may have seen it before: its callers get it, and nobody after them. */
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

  /** Whatever changed before `atMs` (on the monotonic clock) has been dropped. */
  confirm(atMs: number): void {
    this.#confirmedAt = atMs;
  }

  /** When all was last confirmed, on the monotonic clock; -Infinity before the first time. */
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
