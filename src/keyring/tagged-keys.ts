import type { KekRef } from '../format/kek-ref.ts';
import type { WrapAlgorithm } from '../format/wrap-algorithms.ts';
import { ExpiringMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { singleFlight } from '../lib/single-flight.ts';
import { isSameKey, type RegisteredKey, type Tenant } from '../tenants/record.ts';
import { assertTagged } from './kek-facts.ts';
import type { KekFacts, KeyWrapper, VaultResult, VaultUse } from './key-wrapper.ts';

const MAX_KEYS = 20_000;
/** How long a tag is cached; a key that seals is read as often. */
const REREAD_AFTER_MS = 15 * 60_000;

/**
 * The customers' vaults, for keys that name their tenant by a tag. A wrap or an unwrap with any
 * other key is refused before the vault is called. The tag is that of the pinned version, else of
 * the newest. A missing tag is never cached.
 */
export class TaggedKeys implements KeyWrapper {
  readonly #vaults: KeyWrapper;
  readonly #tagged: ExpiringMap<object>;
  readonly #reads = new Map<string, Promise<KekFacts>>();

  constructor(vaults: KeyWrapper, clock: Clock) {
    this.#vaults = vaults;
    this.#tagged = new ExpiringMap(MAX_KEYS, { ttlMs: REREAD_AFTER_MS, clock });
  }

  async readKey(tenant: Tenant, key: Pick<RegisteredKey, 'vaultUrl' | 'name' | 'keyVersion'>): Promise<KekFacts> {
    const id = idOf(tenant, key);
    const facts = await this.#vaults.readKey(tenant, key);
    this.#tagged.delete(id);
    assertTagged(facts, tenant.id);
    this.#tagged.set(id, {});
    return facts;
  }

  async wrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    bytes: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult> {
    await this.#assertTagged(tenant, kek);
    return this.#vaults.wrapKey(tenant, kek, algorithm, bytes, use);
  }

  async unwrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    wrapped: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult> {
    await this.#assertTagged(tenant, kek);
    return this.#vaults.unwrapKey(tenant, kek, algorithm, wrapped, use);
  }

  async #assertTagged(tenant: Tenant, { vaultUrl, name }: KekRef): Promise<void> {
    const id = idOf(tenant, { vaultUrl, name });
    if (this.#tagged.has(id)) return;
    const registered = Object.values(tenant.keys).find((key) => isSameKey(key, { vaultUrl, name }));
    await singleFlight(this.#reads, id, () => this.readKey(tenant, registered ?? { vaultUrl, name }));
  }
}

const idOf = ({ id }: Tenant, { vaultUrl, name }: Pick<KekRef, 'vaultUrl' | 'name'>): string =>
  `${id} ${vaultUrl}/${name}`.toLowerCase();
