import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import type { KeyringStore, StoredKey } from '../keyring-store.ts';

/** At most ten look-ups a second for a tenant, however many ids its messages name. */
const PAUSE_MS = 100;
/** Ids in one look-up: databases limit the parameters of a statement. */
const MAX_IDS = 500;

/** Reads rows of one tenant by id. Ids that are requested at the same time are read together. */
export class BranchRows {
  readonly #tenantId: string;
  readonly #store: KeyringStore;
  readonly #clock: Clock;
  #asked = new Map<string, PromiseWithResolvers<StoredKey | undefined>>();
  #nextAt = Number.NEGATIVE_INFINITY;
  #isReading: boolean = false;

  constructor(tenantId: string, store: KeyringStore, clock: Clock) {
    this.#tenantId = tenantId;
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Returns the row, or undefined if the tenant has none with this id.
   * @throws ServiceError `registry-unavailable`
   */
  find(id: string): Promise<StoredKey | undefined> {
    const { promise } = this.#asked.getOrInsertComputed(id, () => Promise.withResolvers<StoredKey | undefined>());
    if (!this.#isReading) void this.#readAll();
    return promise;
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    await Promise.resolve(); // collects the ids of the same turn
    while (this.#asked.size > 0) {
      const waitMs = this.#nextAt - this.#clock.monotonicMs();
      if (waitMs > 0) await sleep(Math.min(waitMs, PAUSE_MS));
      await this.#read();
    }
    this.#isReading = false;
  }

  async #read(): Promise<void> {
    const all = [...this.#asked];
    const asked = new Map(all.slice(0, MAX_IDS));
    this.#asked = new Map(all.slice(MAX_IDS));
    this.#nextAt = this.#clock.monotonicMs() + PAUSE_MS;
    try {
      const { keys } = await this.#store.find(this.#tenantId, [...asked.keys()]);
      const rows = new Map(keys.map((row) => [row.id, row]));
      for (const [id, { resolve }] of asked) resolve(rows.get(id));
    } catch (error) {
      for (const { reject } of asked.values()) reject(error);
    }
  }
}
