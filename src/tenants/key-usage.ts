/** Counts one use of a key version, so that an operator can see whether it is still needed. */
export type CountKeyUse = (tenantId: string, keyId: string, use: 'sealed' | 'opened') => void;

/** How often a key version of a tenant was used since it was told last. */
export interface KeyUse {
  readonly tenantId: string;
  readonly keyId: string;
  readonly sealed: number;
  readonly opened: number;
  /** Milliseconds since 1970. */
  readonly lastUsedAt: number;
}

/** The same as it is shown. */
export interface ShownKeyUse extends Pick<KeyUse, 'keyId' | 'sealed' | 'opened'> {
  /** RFC 3339. */
  readonly lastUsedAt: string;
}

export interface KeyUsageStore {
  add(uses: readonly KeyUse[]): Promise<void>;
  /** Key versions of a tenant, the one used last first. */
  of(tenantId: string): Promise<readonly ShownKeyUse[]>;
}

export interface KeyUsageOptions {
  readonly store: KeyUsageStore;
  readonly wallMs: () => number;
  readonly onFailure: (error: unknown) => void;
}

const FLUSH_MS = 30_000;
/** While the database is away counts of further keys are lost: they are a help for the operator, not a record. */
const MAX_KEYS = 100_000;

type Count = { -readonly [Member in keyof KeyUse]: KeyUse[Member] };

/**
 * Counts uses of key versions, to show which versions and retired keys are still needed as far as seen. Counted in memory and added up in
 * the database every 30 s: a process that is killed loses the last of them.
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

  /** On the path of each request: a key id belongs to one tenant, so it alone is looked up. */
  count(tenantId: string, keyId: string, use: 'sealed' | 'opened'): void {
    const count = this.#counts.get(keyId) ?? this.#begin(tenantId, keyId);
    count[use] += 1;
    count.lastUsedAt = this.#options.wallMs();
  }

  /** With what this process has counted up to now; others' latest may be missing. */
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
