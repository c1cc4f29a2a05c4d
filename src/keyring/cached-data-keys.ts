import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors.ts';
import type { CompactMessage, LeafUse } from '../format/compact.ts';
import { IvPool } from '../format/iv-pool.ts';
import type { Jwe } from '../format/jwe.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import { type DataKeyBounds, dataKeyBoundsOf, revocationBoundMsOf } from '../tenants/bounds.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import { type BranchDeps, notReady as branchNotReady } from './branches/branch-deps.ts';
import { BranchLimit } from './branches/branch-limit.ts';
import { leaseForOpening, leaseForSealing } from './branches/lease-leaves.ts';
import { TenantBranches } from './branches/tenant-branches.ts';
import { DataKeyCounts, type DataKeysHeld } from './data-key-counts.ts';
import type {
  CompactOpening,
  CompactSealing,
  DataKeys,
  LeafSealing,
  ListSealing,
  ListUse,
  OpeningUse,
  SealingUse,
} from './data-keys.ts';
import { notReady } from './indexes/index-errors.ts';
import { TenantIndexes } from './indexes/tenant-indexes.ts';
import type { KekFacts } from './key-wrapper.ts';
import type { StoredKey } from './keyring-store.ts';
import type { LeasedLeaves, OpeningLeaf, SealingLeaf } from './leased-leaves.ts';
import { checkKey, type MoveOutcome, moveKey } from './moving-keys.ts';
import type { ProofOfAccess } from './policy/assert-allowed.ts';
import type { SealingSlotDeps } from './sealing-slot.ts';
import { TenantDataKeys } from './tenant-data-keys.ts';

const MAX_TENANTS = 10_000;
/**
 * A larger jump of the wall clock against the monotonic one means that it was set, or that the
 * machine was resumed from a snapshot.
 */
const MAX_CLOCK_JUMP_MS = 60_000;

/** The dependencies that branch keys have and data keys do not. */
export type BranchParts = Omit<
  BranchDeps,
  'gcm' | 'clock' | 'draw' | 'jitter' | 'originKeys' | 'revocationBoundMs' | 'onBackgroundFailure' | 'onOpened'
>;

export interface CachedDataKeysOptions extends Omit<SealingSlotDeps, 'bounds' | 'counts'> {
  /** For a tenant without bounds in its record; the same for `revocationBoundMs`. */
  readonly bounds: DataKeyBounds;
  /** Absent without a database: compact messages are neither sealed nor opened. */
  readonly branches?: BranchParts | undefined;
}

/** One tenant's keys in memory. */
interface TenantKeys {
  readonly dataKeys: TenantDataKeys;
  readonly branches: TenantBranches | undefined;
  readonly indexes: TenantIndexes | undefined;
}

/** The data key that opened the last message, found by its header. */
interface LastOpening extends Pick<Jwe, 'header' | 'encryptedKey'> {
  readonly tenant: Tenant;
  readonly use: OpeningUse;
}

const TURN_ENDS = Promise.resolve();

/** Keys in this process's memory, by tenant: minted and opened data keys, and branch keys. */
export class CachedDataKeys implements DataKeys, LeasedLeaves {
  readonly #options: CachedDataKeysOptions;
  readonly #tenants = new LRUCache<string, TenantKeys>({
    max: MAX_TENANTS,
    dispose: ({ branches }) => branches?.close(),
  });
  readonly #ivs: IvPool;
  readonly #branchLimit = new BranchLimit(() => this.#branches());
  readonly counts = new DataKeyCounts();
  #clockOffsetMs: number;
  #lastOpening: LastOpening | undefined;
  readonly #forgetOpening = (): void => {
    this.#lastOpening = undefined;
  };

  constructor(options: CachedDataKeysOptions) {
    this.#options = options;
    this.#ivs = new IvPool(options.draw);
    this.#clockOffsetMs = options.clock.wallMs() - options.clock.monotonicMs();
  }

  forSealing(tenant: Tenant, key: RegisteredKey, bytes: number): Soon<SealingUse> {
    this.#dropAfterClockJump();
    return this.#keysOf(tenant).dataKeys.forSealing(key, bytes);
  }

  forListSealing(tenant: Tenant, key: RegisteredKey, use: ListUse): ListSealing | undefined {
    this.#dropAfterClockJump();
    const { dataKeys, branches } = this.#keysOf(tenant);
    if (key.form !== 'compact') return dataKeys.forListSealing(key, use);
    const sealing = branches?.sealingUnder(key).takeMany('message', use);
    if (!sealing) return undefined;
    const { contentKey, header, keyId, vaultCall } = sealing;
    const ivs = this.#ivs.takeMany(use.messages);
    return { contentKey, start: `${header.text}..`, aad: header.aad, ivs, keyId, vaultCall };
  }

  forOpening(tenant: Tenant, jwe: Jwe, kekOf: (tenant: Tenant, jwe: Jwe) => KekRef, messages = 1): Soon<OpeningUse> {
    const { header, encryptedKey } = jwe;
    const last = this.#lastOpening;
    if (last?.header === header && last.encryptedKey === encryptedKey && last.tenant === tenant) {
      this.counts.openingHits += messages;
      return last.use;
    }
    this.#dropAfterClockJump();
    const use = this.#keysOf(tenant).dataKeys.forOpening(jwe, kekOf(tenant, jwe), messages);
    if (!(use instanceof Promise)) this.#remember({ tenant, header, encryptedKey, use });
    return use;
  }

  /**
   * Keeps an opening until the code that runs now ends or waits. Before that no refusal can arrive,
   * no key be evicted, and a batch takes at most its slice of time.
   */
  #remember(opening: LastOpening): void {
    if (this.#lastOpening === undefined) void TURN_ENDS.then(this.#forgetOpening);
    this.#lastOpening = opening;
  }

  forCompactSealing(
    tenant: Tenant,
    key: RegisteredKey,
    use: LeafUse,
    bytes: number,
    context: Buffer | undefined,
  ): Soon<CompactSealing | undefined> {
    this.#dropAfterClockJump();
    const sealing = this.#keysOf(tenant).branches?.sealingUnder(key);
    const ready = sealing?.take(use, bytes, context);
    if (ready) return withIv(ready, this.#ivs.take());
    return whenReady(sealing?.waitFor(use, bytes, context), (leaf) => leaf && withIv(leaf, this.#ivs.take()));
  }

  forCompactOpening(
    tenant: Tenant,
    message: CompactMessage,
    use: LeafUse,
    context: Buffer | undefined,
  ): Soon<CompactOpening> {
    this.#dropAfterClockJump();
    const { branches } = this.#keysOf(tenant);
    if (!branches) throw noDatabase();
    return branches.forOpening(message, use, context);
  }

  /**
   * Wraps a stored key by the newest version of a registered key.
   * @throws RowFailure, ServiceError
   */
  moveStoredKey(tenant: Tenant, row: StoredKey, key: RegisteredKey): Promise<MoveOutcome> {
    const { branches, originKeys } = this.#options;
    if (!branches) throw noDatabase();
    this.#dropAfterClockJump();
    return moveKey({ ...branches, originKeys }, { tenant, dataKeys: this.#keysOf(tenant).dataKeys }, row, key);
  }

  /**
   * Returns the tenant's index keys.
   * @throws ServiceError `registry-unavailable` without a database
   */
  indexesOf(tenant: Tenant): TenantIndexes {
    this.#dropAfterClockJump();
    const { indexes } = this.#keysOf(tenant);
    if (!indexes) throw notReady(false);
    return indexes;
  }

  async leaseForSealing(tenant: Tenant, key: RegisteredKey): Promise<SealingLeaf> {
    this.#dropAfterClockJump();
    const { branches } = this.#keysOf(tenant);
    if (!branches) throw branchNotReady();
    return leaseForSealing(branches, branches.sealingUnder(key), key);
  }

  async leaseForOpening(tenant: Tenant, message: CompactMessage, context: Buffer | undefined): Promise<OpeningLeaf> {
    this.#dropAfterClockJump();
    const { branches } = this.#keysOf(tenant);
    if (!branches) throw noDatabase();
    return leaseForOpening(branches, message, context);
  }

  /**
   * Checks that a stored key opens and is ours.
   * @throws RowFailure, and ServiceError while the vault cannot answer
   */
  checkStoredKey(tenant: Tenant, row: StoredKey): Promise<void> {
    const { branches, originKeys } = this.#options;
    if (!branches) throw noDatabase();
    return checkKey({ ...branches, originKeys }, { tenant, dataKeys: this.#keysOf(tenant).dataKeys }, row);
  }

  policyOf(tenant: Tenant, kek: KekRef): Promise<ProofOfAccess> {
    return this.#keysOf(tenant).dataKeys.proofs.policyOf(kek);
  }

  async currentVersion(tenant: Tenant, key: RegisteredKey): Promise<KekFacts> {
    return this.#keysOf(tenant).dataKeys.slotFor(key).usableFacts();
  }

  freshenVersion(tenant: Tenant, key: RegisteredKey): Soon<void> {
    return this.#keysOf(tenant).dataKeys.slotFor(key).freshen();
  }

  versionRefused(tenant: Tenant, key: RegisteredKey): void {
    this.#keysOf(tenant).dataKeys.slotFor(key).drop();
  }

  /** Evicts all keys of a tenant, for example a suspended one. */
  forget(tenantId: string): void {
    this.#tenants.delete(tenantId);
  }

  /** Returns whether any data key of a tenant is in memory. */
  isWarm(tenantId: string): boolean {
    const keys = this.#tenants.peek(tenantId);
    if (!keys) return false;
    const { sealing, opening } = keys.dataKeys.held();
    return sealing + opening + (keys.branches?.size ?? 0) > 0;
  }

  /** Marks the versions of a tenant's keys to be read again early. */
  reread(tenantId: string): void {
    this.#tenants.get(tenantId)?.dataKeys.reread();
  }

  /**
   * Marks the rows of a tenant's branch and index keys to be read again before their next use;
   * without an id, those of every tenant.
   */
  branchesChanged(tenantId: string | undefined): void {
    const known = tenantId === undefined ? [...this.#tenants.values()] : [this.#tenants.get(tenantId)];
    for (const keys of known) {
      keys?.branches?.changed();
      keys?.indexes?.changed();
    }
  }

  /**
   * Reads the rows of all branch and index keys in memory again and restores those that the
   * database lost.
   */
  async recheckBranches(): Promise<void> {
    for (const { branches, indexes } of [...this.#tenants.values()]) {
      await branches?.recheck();
      await indexes?.recheck();
    }
  }

  held(): DataKeysHeld {
    const held = { tenants: this.#tenants.size, sealing: 0, opening: 0, branches: 0, uncopied: 0, indexes: 0 };
    for (const { dataKeys, branches, indexes } of this.#tenants.values()) {
      const { sealing, opening } = dataKeys.held();
      held.sealing += sealing;
      held.opening += opening;
      held.branches += branches?.size ?? 0;
      held.indexes += indexes?.size ?? 0;
      held.uncopied += branches?.uncopied ?? 0;
    }
    return held;
  }

  /** Returns the branch keys of each tenant, the most recently used first. */
  *#branches(): Generator<TenantBranches> {
    for (const { branches } of this.#tenants.values()) if (branches) yield branches;
  }

  #keysOf(tenant: Tenant): TenantKeys {
    const known = this.#tenants.get(tenant.id);
    if (known?.dataKeys.tenant.revision === tenant.revision) return known;
    const keys = this.#openKeys(tenant);
    this.#tenants.set(tenant.id, keys);
    return keys;
  }

  #openKeys(tenant: Tenant): TenantKeys {
    const { bounds, branches: parts, ...deps } = this.#options;
    const revocationBoundMs = revocationBoundMsOf(tenant, deps.revocationBoundMs);
    let branches: TenantBranches | undefined;
    let indexes: TenantIndexes | undefined;
    const dataKeys = new TenantDataKeys(tenant, {
      ...deps,
      bounds: dataKeyBoundsOf(tenant, bounds),
      counts: this.counts,
      revocationBoundMs,
      ivs: this.#ivs,
      onEvict: (kid) => {
        branches?.evict(kid);
        indexes?.evict(kid);
      },
    });
    const onOpened = () => this.#branchLimit.opened();
    const branchDeps = parts && { ...deps, ...parts, revocationBoundMs, onOpened };
    branches = branchDeps && new TenantBranches(tenant, dataKeys, branchDeps);
    indexes = branchDeps && new TenantIndexes(tenant, dataKeys, branchDeps);
    return { dataKeys, branches, indexes };
  }

  /**
   * Evicts all keys after a clock jump. Two machines resumed from one snapshot would use the same
   * IVs under the same key, and hold outdated proofs of access.
   */
  #dropAfterClockJump(): void {
    const { clock } = this.#options;
    const offsetMs = clock.wallMs() - clock.monotonicMs();
    const hasJumped = Math.abs(offsetMs - this.#clockOffsetMs) > MAX_CLOCK_JUMP_MS;
    this.#clockOffsetMs = offsetMs;
    if (!hasJumped) return;
    this.#ivs.drop();
    this.#lastOpening = undefined;
    this.#tenants.clear();
  }
}

/** Returns the use with its IV. It is written out, because a spread costs 0.5 µs a message. */
const withIv = ({ contentKey, header, keyId, vaultCall, accessEndsAt }: LeafSealing, iv: Buffer): CompactSealing => ({
  contentKey,
  header,
  iv,
  keyId,
  vaultCall,
  accessEndsAt,
});

const noDatabase = (): ServiceError =>
  new ServiceError('unknown-key', 'Compact messages need a database, and this deployment has none', {
    reason: 'branch-unknown',
    fix: { owner: 'vendor', action: 'Configure the database that holds the branch keys' },
    errors: [{ pointer: '/ciphertext', detail: 'is a compact message' }],
  });
