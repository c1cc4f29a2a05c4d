/**
 * Counts uses of a key version, one by default, so that an operator can see whether it is still
 * needed. 0 only notes that it was used.
 */
export type CountKeyUse = (tenantId: string, keyId: string, use: 'sealed' | 'opened', times?: number) => void;

/** The number of uses of a tenant's key version since the last report. */
export interface KeyUse {
  readonly tenantId: string;
  readonly keyId: string;
  readonly sealed: number;
  readonly opened: number;
  /** Milliseconds since 1970. */
  readonly lastUsedAt: number;
}

/** The same in its published form. */
export interface ShownKeyUse extends Pick<KeyUse, 'keyId' | 'sealed' | 'opened'> {
  /** RFC 3339. */
  readonly lastUsedAt: string;
}

export interface KeyUsageStore {
  add(uses: readonly KeyUse[]): Promise<void>;
  /** Returns the key versions of a tenant, the last used first. */
  of(tenantId: string): Promise<readonly ShownKeyUse[]>;
}

export interface KeyUsageOptions {
  readonly store: KeyUsageStore;
  readonly wallMs: () => number;
  readonly onFailure: (error: unknown) => void;
}

const FLUSH_MS = 30_000;
/**
 * While the database is unreachable, counts of further keys are lost: they help the operator and
 * are no record.
 */
const MAX_KEYS = 100_000;

type Count = { -readonly [Member in keyof KeyUse]: KeyUse[Member] };

/**
 * Counts uses of key versions, to show which versions and retired keys are still in use. Counts are
 * kept in memory and added to the database every 30 s: a killed process loses its last ones.
 */
export class KeyUsage {
  readonly #options: KeyUsageOptions;
  readonly #timer: NodeJS.Timeout;
  #counts = new Map<string, Count>();
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: KeyUsageOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#flushSoon(), FLUSH_MS).unref();
  }

  /**
   * Counts a use. It is on the path of each request: a key id belongs to one tenant, so one look-up
   * is enough.
   */
  count(tenantId: string, keyId: string, use: 'sealed' | 'opened', times = 1): void {
    const count = this.#counts.get(keyId) ?? this.#begin(tenantId, keyId);
    count[use] += times;
    count.lastUsedAt = this.#options.wallMs();
  }

  /** Returns stored uses plus this process's own; the latest of other processes may be missing. */
  async of(tenantId: string): Promise<readonly ShownKeyUse[]> {
    this.#flushSoon();
    await this.#flushing;
    return this.#options.store.of(tenantId);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flushSoon();
    await this.#flushing;
  }

  #begin(tenantId: string, keyId: string): Count {
    const count = { tenantId, keyId, sealed: 0, opened: 0, lastUsedAt: 0 };
    if (this.#counts.size < MAX_KEYS) this.#counts.set(keyId, count);
    return count;
  }

  #flushSoon(): void {
    this.#flushing = this.#flushing.then(() => this.#flush()).catch(this.#options.onFailure);
  }

  async #flush(): Promise<void> {
    if (this.#counts.size === 0) return;
    const counts = this.#counts;
    this.#counts = new Map();
    try {
      await this.#options.store.add([...counts.values()]);
    } catch (error) {
      for (const [keyId, count] of counts) this.#putBack(keyId, count);
      throw error;
    }
  }

  #putBack(keyId: string, earlier: Count): void {
    const count = this.#counts.get(keyId) ?? this.#begin(earlier.tenantId, keyId);
    count.sealed += earlier.sealed;
    count.opened += earlier.opened;
    count.lastUsedAt = Math.max(count.lastUsedAt, earlier.lastUsedAt);
  }
}
