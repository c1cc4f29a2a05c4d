import { LRUCache } from 'lru-cache';
import { IvPool } from '../format/iv-pool.ts';
import type { Jwe } from '../format/jwe.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import { type DataKeyBounds, dataKeyBoundsOf, revocationBoundMsOf } from '../tenants/bounds.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import { DataKeyCounts, type DataKeysHeld } from './data-key-counts.ts';
import type { DataKeys, OpeningUse, SealingUse } from './data-keys.ts';
import type { KekFacts } from './key-wrapper.ts';
import type { SealingSlotDeps } from './sealing-slot.ts';
import { TenantDataKeys } from './tenant-data-keys.ts';

const MAX_TENANTS = 10_000;
/** A wall clock that leaves the monotonic one by more was set, or the machine was resumed from a snapshot. */
const MAX_CLOCK_JUMP_MS = 60_000;

export interface CachedDataKeysOptions extends Omit<SealingSlotDeps, 'bounds' | 'counts'> {
  /** Of a tenant whose record has none of its own; so is `revocationBoundMs`. */
  readonly bounds: DataKeyBounds;
}

/** Data keys in this process's memory: minted and opened ones, by tenant first. */
export class CachedDataKeys implements DataKeys {
  readonly #options: CachedDataKeysOptions;
  readonly #tenants = new LRUCache<string, TenantDataKeys>({ max: MAX_TENANTS });
  readonly #ivs: IvPool;
  readonly counts = new DataKeyCounts();
  #clockOffsetMs: number;

  constructor(options: CachedDataKeysOptions) {
    this.#options = options;
    this.#ivs = new IvPool(options.draw);
    this.#clockOffsetMs = options.clock.wallMs() - options.clock.monotonicMs();
  }

  forSealing(tenant: Tenant, key: RegisteredKey, bytes: number): Soon<SealingUse> {
    this.#dropAfterClockJump();
    const keys = this.#keysOf(tenant);
    const slot = keys.slotFor(key);
    const ready = slot.take(bytes);
    if (ready) this.counts.sealingHits += 1;
    else this.counts.sealingWaits += 1;
    return whenReady(ready ?? slot.waitFor(bytes), (minted) => {
      const { mode } = keys.bounds;
      const sealingKey = mode === 'perMessage' ? slot.mintForOneMessage(minted) : minted.key;
      const { vaultCall, endsAt } = keys.proofs.accessTo(minted.key.dataKey.kid);
      return whenReady(sealingKey, (own) => ({ key: own, iv: this.#ivs.take(), vaultCall, accessEndsAt: endsAt }));
    });
  }

  forOpening(tenant: Tenant, jwe: Jwe, kek: KekRef): Soon<OpeningUse> {
    this.#dropAfterClockJump();
    return this.#keysOf(tenant).forOpening(jwe, kek);
  }

  async currentVersion(tenant: Tenant, key: RegisteredKey): Promise<KekFacts> {
    return this.#keysOf(tenant).slotFor(key).usableFacts();
  }

  async freshenVersion(tenant: Tenant, key: RegisteredKey): Promise<void> {
    await this.#keysOf(tenant).slotFor(key).freshen();
  }

  versionRefused(tenant: Tenant, key: RegisteredKey): void {
    this.#keysOf(tenant).slotFor(key).drop();
  }

  /** Drops all keys of a tenant, such as one that was suspended. */
  forget(tenantId: string): void {
    this.#tenants.delete(tenantId);
  }

  /** Has the versions of a tenant's keys read again ahead of time. */
  reread(tenantId: string): void {
    this.#tenants.get(tenantId)?.reread();
  }

  held(): DataKeysHeld {
    const held = { tenants: this.#tenants.size, sealing: 0, opening: 0 };
    for (const keys of this.#tenants.values()) {
      const { sealing, opening } = keys.held();
      held.sealing += sealing;
      held.opening += opening;
    }
    return held;
  }

  #keysOf(tenant: Tenant): TenantDataKeys {
    const known = this.#tenants.get(tenant.id);
    if (known?.tenant.revision === tenant.revision) return known;
    const { bounds, ...deps } = this.#options;
    const keys = new TenantDataKeys(tenant, {
      ...deps,
      bounds: dataKeyBoundsOf(tenant, bounds),
      counts: this.counts,
      revocationBoundMs: revocationBoundMsOf(tenant, deps.revocationBoundMs),
    });
    this.#tenants.set(tenant.id, keys);
    return keys;
  }

  /** Two machines resumed from one snapshot would draw the same IVs under the same key, and hold proofs of access that slept. */
  #dropAfterClockJump(): void {
    const { clock } = this.#options;
    const offsetMs = clock.wallMs() - clock.monotonicMs();
    const hasJumped = Math.abs(offsetMs - this.#clockOffsetMs) > MAX_CLOCK_JUMP_MS;
    this.#clockOffsetMs = offsetMs;
    if (!hasJumped) return;
    this.#ivs.drop();
    this.#tenants.clear();
  }
}
