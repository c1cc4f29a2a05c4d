import { ServiceError } from '../errors.ts';
import { undecryptable } from '../format/aes-gcm.ts';
import { DATA_KEY_BYTES, type DataKey, dataKeyFrom, isOriginMac, type WrappedDataKey } from '../format/data-key.ts';
import type { IvPool } from '../format/iv-pool.ts';
import { type Jwe, startOf } from '../format/jwe.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import type { DataKeyBounds } from '../tenants/bounds.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import type { ListSealing, ListUse, OpeningUse, SealingUse } from './data-keys.ts';
import { OpenedKeys } from './opened-keys.ts';
import { type Evict, Proofs } from './proofs.ts';
import { SealingSlot, type SealingSlotDeps } from './sealing-slot.ts';

export interface TenantDataKeysDeps extends SealingSlotDeps {
  readonly ivs: IvPool;
  /**
   * Called when keys are evicted after a refusal, so that everything opened with them is evicted
   * too.
   */
  readonly onEvict: Evict;
}

/**
 * All keys of one tenant in one revision of its record: proofs of access, data keys that seal, data
 * keys opened.
 */
export class TenantDataKeys {
  readonly tenant: Tenant;
  readonly proofs: Proofs;
  readonly #deps: TenantDataKeysDeps;
  readonly #opened: OpenedKeys;
  readonly #slots = new Map<string, SealingSlot>();
  /** The slot that was used last. The items of a batch share it; a look-up joins the key's name. */
  #last: { readonly key: RegisteredKey; readonly slot: SealingSlot } | undefined;

  constructor(tenant: Tenant, deps: TenantDataKeysDeps) {
    this.tenant = tenant;
    this.#deps = deps;
    this.#opened = new OpenedKeys(deps.clock);
    this.proofs = new Proofs(tenant, deps, (kid) => this.#evict(kid));
  }

  get bounds(): DataKeyBounds {
    return this.#deps.bounds;
  }

  /** Returns the slot of a registered key, made at its first use. */
  slotFor(key: RegisteredKey): SealingSlot {
    if (this.#last?.key === key) return this.#last.slot;
    const slot = this.#slots.getOrInsertComputed(
      `${key.vaultUrl}/${key.name}`,
      () => new SealingSlot(this.#deps, this.tenant, key, this.proofs, this.#opened),
    );
    this.#last = { key, slot };
    return slot;
  }

  /**
   * Returns a data key that may seal so many bytes, with its use counted; at once if one is minted
   * and its proof is fresh.
   */
  forSealing(key: RegisteredKey, bytes: number): Soon<SealingUse> {
    const { counts, ivs, bounds } = this.#deps;
    const slot = this.slotFor(key);
    const ready = slot.take(bytes);
    if (ready) counts.sealingHits += 1;
    else counts.sealingWaits += 1;
    return whenReady(ready ?? slot.waitFor(bytes), (minted) => {
      const sealingKey = bounds.mode === 'perMessage' ? slot.mintForOneMessage(minted) : minted.key;
      const { vaultCall, endsAt } = this.proofs.accessTo(minted.key.dataKey.kid);
      return whenReady(sealingKey, (own) => ({ key: own, iv: ivs.take(), vaultCall, accessEndsAt: endsAt }));
    });
  }

  /**
   * Returns the key of new messages, as DataKeys.forListSealing. In mode `perMessage` there
   * is none.
   */
  forListSealing(key: RegisteredKey, use: ListUse): ListSealing | undefined {
    const { counts, ivs, bounds } = this.#deps;
    const { bytes, messages, context } = use;
    if (bounds.mode === 'perMessage') return undefined;
    const slot = this.slotFor(key);
    const usable = slot.usable();
    if (!usable) return undefined;
    use.assertAllowed(this.proofs.accessTo(usable.key.dataKey.kid).vaultCall);
    const minted = slot.take(bytes, messages);
    if (!minted) return undefined;
    counts.sealingHits += messages;
    const { dataKey } = minted.key;
    return {
      contentKey: dataKey.cek,
      ...startOf(minted.key, context),
      ivs: ivs.takeMany(messages),
      keyId: dataKey.kid,
      vaultCall: this.proofs.accessTo(dataKey.kid).vaultCall,
    };
  }

  /**
   * Returns a data key of the newest known version that seals a stored key. In every mode, many of
   * them share it: a process that opens them all asks the vault once.
   */
  async forStoredKey(key: RegisteredKey, bytes: number): Promise<SealingUse> {
    const { key: sealingKey } = await this.slotFor(key).waitFor(bytes);
    const { vaultCall, endsAt } = this.proofs.accessTo(sealingKey.dataKey.kid);
    return { key: sealingKey, iv: this.#deps.ivs.take(), vaultCall, accessEndsAt: endsAt };
  }

  /**
   * Returns the data key of a parsed message, or of so many with its header; at once if it is cached
   * and its proof is fresh.
   */
  forOpening(jwe: Jwe, kek: KekRef, messages = 1): Soon<OpeningUse> {
    const { alg, kid, tid, mac } = jwe.header;
    const wrapped: WrappedDataKey = { kek, algorithm: alg, kid, tenantId: tid, encryptedKey: jwe.encryptedKey };
    const opened = this.#opened.get(wrapped);
    const { clock, counts, originKeys } = this.#deps;
    const now = clock.monotonicMs();
    const access = this.proofs.accessTo(kid);
    if (!opened?.isAccepted(mac, originKeys.current()) || !access.isFresh(now)) return this.#waitToOpen(wrapped, mac);
    counts.openingHits += messages;
    this.proofs.renewAhead(opened.dataKey, now);
    return { dataKey: opened.dataKey, vaultCall: access.vaultCall };
  }

  async #waitToOpen(wrapped: WrappedDataKey, mac: string): Promise<OpeningUse> {
    const { originKeys, counts, clock } = this.#deps;
    await this.#assertOurs(wrapped, mac);
    const opened = this.#opened.get(wrapped);
    opened?.accept(mac, originKeys.current());
    if (opened) {
      counts.openingHits += 1;
      const now = clock.monotonicMs();
      if (this.proofs.accessTo(wrapped.kid).isFresh(now)) this.proofs.renewAhead(opened.dataKey, now);
      else await this.proofs.freshen(opened.dataKey);
    }
    const dataKey = opened?.dataKey ?? (await this.#opened.unwrapOnce(wrapped, () => this.#open(wrapped)));
    return { dataKey, vaultCall: this.proofs.accessTo(wrapped.kid).vaultCall };
  }

  /** Marks the versions of all keys to be read again at their next use. */
  reread(): void {
    for (const slot of this.#slots.values()) slot.reread();
  }

  /** Returns the number of data keys in memory: those that may seal, and those opened. */
  held(): { readonly sealing: number; readonly opening: number } {
    let sealing = 0;
    for (const slot of this.#slots.values()) if (slot.isFilled) sealing += 1;
    return { sealing, opening: this.#opened.size };
  }

  async #open(wrapped: WrappedDataKey): Promise<DataKey> {
    try {
      // With an optional origin anyone may have wrapped anything; otherwise it is a data key of
      // ours.
      const isAnybodys = this.tenant.origin === 'optional';
      const isOurs = ({ length }: Buffer) => length === DATA_KEY_BYTES || isAnybodys;
      const { bytes } = await this.proofs.unwrap(wrapped, 'ciphertext', isOurs);
      if (bytes.length !== DATA_KEY_BYTES) {
        bytes.fill(0);
        throw undecryptable();
      }
      const dataKey = dataKeyFrom(this.#deps.gcm, bytes, wrapped);
      this.#deps.counts.unwrapped += 1;
      this.#opened.put(dataKey);
      return dataKey;
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'undecryptable') this.#opened.refuse(wrapped, error);
      throw error;
    }
  }

  /**
   * Checks the origin. Without this check anyone's garbage would cost the customer's quota, since a
   * public key is no secret.
   */
  async #assertOurs(wrapped: WrappedDataKey, mac: string): Promise<void> {
    if (this.tenant.origin === 'optional') return;
    const { originKeys } = this.#deps;
    if (isOriginMac(originKeys.current(), wrapped, mac)) return;
    if (!isOriginMac(await originKeys.reread(), wrapped, mac)) throw undecryptable();
  }

  #evict(kid?: string): void {
    if (kid === undefined) this.#opened.clear();
    else this.#opened.evict(kid);
    for (const slot of this.#slots.values()) slot.drop(kid);
    this.#deps.onEvict(kid);
  }
}
