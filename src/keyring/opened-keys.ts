import type { KeyObject } from 'node:crypto';
import type { ServiceError } from '../errors.ts';
import type { DataKey, WrappedDataKey } from '../format/data-key.ts';
import { BoundedMap, ExpiringMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { singleFlight } from '../lib/single-flight.ts';

/** The limit for one tenant: another tenant's million old keys never evict this one's. */
const MAX_OPENED = 500;
const MAX_REFUSED = 1_000;
const REFUSED_FOR_MS = 600_000;

/** A data key in use. */
class OpenedKey {
  readonly dataKey: DataKey;
  #mac: string | undefined;
  #originKeys: readonly KeyObject[] | undefined;

  constructor(dataKey: DataKey) {
    this.dataKey = dataKey;
  }

  /**
   * Returns whether exactly these origin keys have accepted its `mac` before: computing it again is
   * a third of a warm opening.
   */
  isAccepted(mac: string, originKeys: readonly KeyObject[]): boolean {
    return this.#mac === mac && this.#originKeys === originKeys;
  }

  accept(mac: string, originKeys: readonly KeyObject[]): void {
    this.#mac = mac;
    this.#originKeys = originKeys;
  }
}

/**
 * One tenant's unwrapped data keys, the unwraps in progress, and the encrypted keys that its vault
 * reported as not its own.
 */
export class OpenedKeys {
  readonly #opened = new BoundedMap<OpenedKey>(MAX_OPENED);
  readonly #refused: ExpiringMap<ServiceError>;
  readonly #unwraps = new Map<string, Promise<DataKey>>();

  constructor(clock: Clock) {
    this.#refused = new ExpiringMap(MAX_REFUSED, { ttlMs: REFUSED_FOR_MS, clock });
  }

  get(wrapped: WrappedDataKey): OpenedKey | undefined {
    const opened = this.#opened.get(wrapped.encryptedKey);
    const { kid, algorithm } = wrapped;
    return opened?.dataKey.kid === kid && opened.dataKey.algorithm === algorithm ? opened : undefined;
  }

  get size(): number {
    return this.#opened.size;
  }

  put(dataKey: DataKey): void {
    this.#opened.set(dataKey.encryptedKey, new OpenedKey(dataKey));
  }

  /**
   * Returns the data key; concurrent requests share one unwrap.
   * @throws ServiceError the cached cryptographic refusal
   */
  unwrapOnce(wrapped: WrappedDataKey, unwrap: () => Promise<DataKey>): Promise<DataKey> {
    const key = cacheKey(wrapped);
    const refusal = this.#refused.get(key);
    return refusal ? Promise.reject(refusal) : singleFlight(this.#unwraps, key, unwrap);
  }

  refuse(wrapped: WrappedDataKey, refusal: ServiceError): void {
    this.#refused.set(cacheKey(wrapped), refusal);
  }

  evict(kid: string): void {
    for (const [key, { dataKey }] of this.#opened.entries()) if (dataKey.kid === kid) this.#opened.delete(key);
  }

  clear(): void {
    this.#opened.clear();
  }
}

/**
 * Returns the cache key. The tenant is the object itself; `alg` matters since a key may later be
 * registered for another algorithm.
 */
const cacheKey = ({ algorithm, kid, encryptedKey }: WrappedDataKey): string => `${algorithm} ${kid} ${encryptedKey}`;
