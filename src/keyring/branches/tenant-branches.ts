import { ServiceError } from '../../errors.ts';
import type { CompactMessage, LeafUse } from '../../format/compact.ts';
import type { Jwe } from '../../format/jwe.ts';
import { singleFlight } from '../../lib/single-flight.ts';
import type { Soon } from '../../lib/when-ready.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import type { CompactOpening } from '../data-keys.ts';
import type { NewStoredKey, StoredKey } from '../keyring-store.ts';
import { moveKey, RowFailure } from '../moving-keys.ts';
import { parseStoredJwe } from '../stored-key-jwe.ts';
import { type BranchDataKeys, type BranchDeps, type BranchSource, vaultKeyOf } from './branch-deps.ts';
import { type BranchKey, openBranchKey } from './branch-key.ts';
import { BranchRows } from './branch-rows.ts';
import { type OpenedBranch, OpenedBranches } from './opened-branches.ts';
import { SealingBranches } from './sealing-branches.ts';

/**
 * How long rows serve after reading while the database is unreachable; tenants' records have the
 * same limit.
 */
const STALE_MS = 300_000;
/** Reported changes of this time cause one recheck. */
const RECHECK_AFTER_MS = 200;

/** The branch keys of one tenant in one revision of its record. */
export class TenantBranches implements BranchSource {
  readonly tenant: Tenant;
  readonly deps: BranchDeps;
  readonly dataKeys: BranchDataKeys;
  readonly #rows: BranchRows;
  readonly #opened: OpenedBranches;
  readonly #opening = new Map<string, Promise<OpenedBranch>>();
  readonly #sealing = new Map<string, SealingBranches>();
  /** The same by the record's own object, so that a message costs no text of a name. */
  readonly #sealers = new WeakMap<RegisteredKey, SealingBranches>();
  #changes = 0;
  #recheckTimer: NodeJS.Timeout | undefined;

  constructor(tenant: Tenant, dataKeys: BranchDataKeys, deps: BranchDeps) {
    this.tenant = tenant;
    this.dataKeys = dataKeys;
    this.deps = deps;
    this.#opened = new OpenedBranches(deps.gcm);
    this.#rows = new BranchRows(tenant.id, deps.store, deps.clock);
  }

  /** Returns the sealer of compact messages under a registered key, made at its first use. */
  sealingUnder(key: RegisteredKey): SealingBranches {
    const known = this.#sealers.get(key);
    if (known) return known;
    const sealing = this.#sealing.getOrInsertComputed(vaultKeyOf(key), () => new SealingBranches(this, key));
    this.#sealers.set(key, sealing);
    return sealing;
  }

  /**
   * Returns the key that opens a compact message; at once if its branch is in memory and access to
   * it is proven.
   * @throws ServiceError `unknown-key` for a branch that the tenant does not have, and the failures
   * of its JWE and of the vault
   */
  forOpening(message: CompactMessage, use: LeafUse, context: Buffer | undefined): Soon<CompactOpening> {
    const now = this.deps.clock.monotonicMs();
    const opened = this.#opened.get(message.leaf.branchId);
    if (opened && this.isUsable(opened, now)) return this.#use(opened, message, use, context, now);
    return this.#waitToOpen(message, use, context);
  }

  async #waitToOpen(message: CompactMessage, use: LeafUse, context: Buffer | undefined): Promise<CompactOpening> {
    const opened = await this.open(message.leaf.branchId);
    return this.#use(opened, message, use, context, this.deps.clock.monotonicMs());
  }

  #use(
    opened: OpenedBranch,
    { leaf }: CompactMessage,
    use: LeafUse,
    context: Buffer | undefined,
    now: number,
  ): CompactOpening {
    const { dataKey } = opened.branch;
    const { vaultCall } = this.dataKeys.proofs.renewAhead(dataKey, now);
    return {
      contentKey: this.#opened.leafKey(opened, use, leaf.kid).contentKey(context),
      keyId: dataKey.kid,
      vaultCall,
    };
  }

  isUsable(opened: OpenedBranch, now: number): boolean {
    return this.#isConfirmed(opened, now) && this.dataKeys.proofs.accessTo(opened.branch.row.kid).isFresh(now);
  }

  held(branchId: string): OpenedBranch | undefined {
    return this.#opened.get(branchId);
  }

  open(branchId: string): Promise<OpenedBranch> {
    return singleFlight(this.#opening, branchId, async () => {
      const changes = this.#changes;
      const opened = await this.#openCurrent(branchId);
      // A change that was reported meanwhile may be missing in the row that was read.
      if (changes !== this.#changes) opened.isStale = true;
      return opened;
    });
  }

  async #openCurrent(branchId: string): Promise<OpenedBranch> {
    const row = await this.#currentRow(branchId);
    try {
      return await this.#openRow(row);
    } catch (error) {
      // A branch may have been moved to another version than the refused one: read its row again
      // before reporting the refusal.
      const again = isRefusal(error) ? await this.#readRow(branchId) : row;
      if (again.jwe === row.jwe) throw error;
      return this.#openRow(again);
    }
  }

  async #currentRow(branchId: string): Promise<StoredKey> {
    const opened = this.#opened.get(branchId);
    const now = this.deps.clock.monotonicMs();
    if (opened && this.#isConfirmed(opened, now)) return opened.branch.row;
    try {
      return await this.#readRow(branchId);
    } catch (error) {
      const isServed = opened && now - this.#confirmedAt(opened) < STALE_MS && this.deps.revocationBoundMs > 0;
      if (!isServed || !isUnavailable(error)) throw error;
      return opened.branch.row;
    }
  }

  /**
   * Returns the row. A branch that this process holds and the database lacks is restored: the
   * database lost it.
   */
  async #readRow(branchId: string): Promise<StoredKey> {
    const row = await this.#rows.find(branchId);
    if (row?.jwe !== undefined) return row;
    const lost = this.#opened.get(branchId)?.branch.row;
    if (!row && lost && (await this.putBack(lost))) return lost;
    this.#drop(branchId);
    throw unknownBranch(row ? 'branch-destroyed' : 'branch-unknown');
  }

  async #openRow(row: StoredKey): Promise<OpenedBranch> {
    const readAt = this.deps.clock.monotonicMs();
    const known = this.#opened.get(row.id);
    const jwe = this.#parse(row);
    const { dataKey } = await this.dataKeys.forOpening(jwe, this.deps.kekOf(this.tenant, jwe));
    if (known && known.branch.row.jwe === row.jwe) {
      known.readAt = readAt;
      known.isStale = false;
      return known;
    }
    const opened = this.#opened.put(this.#openKey(row, jwe, dataKey), readAt);
    this.deps.onOpened();
    return opened;
  }

  #parse(row: StoredKey): Jwe {
    try {
      return parseStoredJwe(row);
    } catch (error) {
      this.deps.onDisagreement(row);
      throw error;
    }
  }

  #openKey(row: StoredKey, jwe: Jwe, dataKey: BranchKey['dataKey']): BranchKey {
    try {
      return openBranchKey(row, jwe, dataKey, this.deps.originKeys.current());
    } catch (error) {
      this.deps.onDisagreement(row);
      throw error;
    }
  }

  async move(row: StoredKey, key: RegisteredKey): Promise<boolean> {
    try {
      return (await moveKey(this.deps, this, row, key)) !== 'not-ours';
    } catch (error) {
      if (error instanceof RowFailure) return false;
      throw error;
    }
  }

  /** Restores a row; a tombstone stays one. */
  async putBack(row: StoredKey): Promise<boolean> {
    if (row.jwe === undefined) return false;
    const lost: NewStoredKey = { ...row, jwe: row.jwe };
    const restored = await this.deps.store.restore(lost);
    if (restored === 'added') {
      if (await this.deps.copies.write(lost)) await this.deps.store.markCopied([lost]);
      await this.deps.onEvent('branch-put-back', lost);
    }
    return restored !== 'destroyed';
  }

  /** Reads the rows of all branches in memory again and restores those that the database lost. */
  async recheck(): Promise<void> {
    const held = this.#opened.held();
    if (held.length === 0) return;
    const { keys } = await this.deps.store.find(
      this.tenant.id,
      held.map(({ branch }) => branch.row.id),
    );
    const found = new Map(keys.map((row) => [row.id, row]));
    for (const opened of held) {
      const { row } = opened.branch;
      const stored = found.get(row.id);
      if (!stored) await this.putBack(row);
      else if (stored.jwe === undefined) this.#drop(row.id);
      else if (stored.jwe !== row.jwe) opened.isStale = true;
    }
  }

  /**
   * Notes a reported change of this tenant's keys: rows are read again before their next use. They
   * are also rechecked soon, so that a destroyed key leaves memory although nobody uses it.
   */
  changed(): void {
    this.#changes += 1;
    this.#opened.markStale();
    for (const sealing of this.#sealing.values()) sealing.changed();
    if (this.#recheckTimer || this.size === 0) return;
    this.#recheckTimer = setTimeout(() => {
      this.#recheckTimer = undefined;
      this.recheck().catch(this.deps.onBackgroundFailure);
    }, RECHECK_AFTER_MS).unref();
  }

  /** Drops a branch and every leaf of the tenant: those of this branch must not stay. */
  #drop(branchId: string): void {
    this.#opened.drop(branchId);
    for (const sealing of this.#sealing.values()) sealing.drop();
  }

  /** Evicts the branches under one key version; without one, all of them. */
  evict(kid?: string): void {
    this.#opened.evict(kid);
    for (const sealing of this.#sealing.values()) sealing.drop(kid);
  }

  /**
   * Evicts everything. These keys are not used any more, as after a suspension: a recheck that is
   * due must not restore rows.
   */
  close(): void {
    clearTimeout(this.#recheckTimer);
    this.evict();
  }

  /** Returns the number of registered keys whose branch key of this epoch or the next has no copy. */
  get uncopied(): number {
    return [...this.#sealing.values()].filter(({ isUncopied }) => isUncopied).length;
  }

  get size(): number {
    return this.#opened.size;
  }

  #isConfirmed(opened: OpenedBranch, now: number): boolean {
    return !opened.isStale && now - this.#confirmedAt(opened) < this.deps.revocationBoundMs;
  }

  /**
   * Returns the time of the last confirmation. The feed confirms a row that was read before the
   * feed had reported every change.
   */
  #confirmedAt({ readAt, isStale }: OpenedBranch): number {
    return isStale ? readAt : Math.max(readAt, this.deps.confirmedAt());
  }
}

const isRefusal = (error: unknown): boolean => error instanceof ServiceError && error.scope === 'key';
const isUnavailable = (error: unknown): boolean =>
  error instanceof ServiceError && error.code === 'registry-unavailable';

const unknownBranch = (reason: 'branch-unknown' | 'branch-destroyed'): ServiceError =>
  new ServiceError('unknown-key', 'The branch key of this message is not in the database', {
    reason,
    errors: [{ pointer: '/ciphertext', detail: 'names a branch key that this tenant does not have' }],
    ...(reason === 'branch-unknown' && {
      fix: { owner: 'vendor', action: 'Import the copies of the branch keys: vaultspan branch-keys import' },
    }),
  });
