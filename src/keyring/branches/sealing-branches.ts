import { ServiceError } from '../../errors.ts';
import type { LeafUse } from '../../format/compact.ts';
import type { RegisteredKey } from '../../tenants/record.ts';
import type { LeafSealing, ListUse } from '../data-keys.ts';
import type { StoredKey } from '../keyring-store.ts';
import type { SealingSlot } from '../sealing-slot.ts';
import { type BranchSource, notReady, vaultKeyOf } from './branch-deps.ts';
import type { BranchKey } from './branch-key.ts';
import { BranchRotation } from './branch-rotation.ts';
import { BranchUpkeep } from './branch-upkeep.ts';
import { type EpochTimes, epochAfter, epochAt, epochLabel } from './epoch.ts';
import type { Leaf } from './leaf.ts';
import type { OpenedBranch } from './opened-branches.ts';
import { OwnLeaves } from './own-leaves.ts';
import { type Conditions, candidates, epochOf, lostRows, type Reading, uncopiedRows, whyNotReady } from './reading.ts';

/** The rows are weighed again after this time, so that branches are made and opened ahead in time. */
const DECISION_MS = 1_000;
/** A branch may be replaced this often between its opening and its use. */
const MAX_TRIES = 3;

/** The branch that seals until a time, as long as all else that was weighed is unchanged. */
interface Decision {
  readonly opened: OpenedBranch;
  readonly reading: Reading;
  readonly newestKid: string | undefined;
  /** Monotonic time. */
  readonly until: number;
}

/**
 * Seals compact messages under one registered key. A branch seals when all of these conditions hold
 * in the same turn. Its epoch has begun, its row was just seen in the database, it has settled
 * there, and it is copied. Its JWE names the newest version of the key, its origin is ours, this is
 * the bound database, and access is proven.
 */
export class SealingBranches {
  readonly #branches: BranchSource;
  readonly #key: RegisteredKey;
  readonly #leaves: OwnLeaves;
  #reading: Reading | undefined;
  #decision: Decision | undefined;
  #ownSlot: SealingSlot | undefined;
  /** The same, also after a change was reported: for the metrics. */
  #lastReading: Reading | undefined;
  /** Number of reported changes: a reading that began before the last one is not kept. */
  #changes = 0;
  /** Ids of the reading's rows that do not open, or are not ours. */
  readonly #refused = new Set<string>();
  readonly #rotation: BranchRotation;
  #refreshing: Promise<Reading> | undefined;
  readonly #upkeep: BranchUpkeep;
  #isFirstReady: boolean = false;

  constructor(branches: BranchSource, key: RegisteredKey) {
    this.#branches = branches;
    this.#key = key;
    this.#leaves = new OwnLeaves(branches.deps, branches.dataKeys);
    this.#rotation = new BranchRotation(branches, key);
    this.#upkeep = new BranchUpkeep(branches, key, this.#rotation, {
      conditions: () => this.#conditions(),
      refresh: () => this.#refresh(),
      onChanged: () => {
        this.#reading = undefined;
      },
    });
  }

  /** Returns the use at once if no call is needed; undefined otherwise. */
  take(use: LeafUse, bytes: number, context: Buffer | undefined): LeafSealing | undefined {
    const now = this.#branches.deps.clock.monotonicMs();
    const branch = this.#decided(now) ?? this.#decide(now);
    return branch && this.#seal(branch, use, bytes, context, now);
  }

  /**
   * Returns the use for many messages, if their leaf is in memory and no call is needed; undefined
   * otherwise.
   * @throws ServiceError if the key's policy refuses the use; then nothing is counted
   */
  takeMany(use: LeafUse, { bytes, messages, context, assertAllowed }: ListUse): LeafSealing | undefined {
    const { deps, dataKeys } = this.#branches;
    const now = deps.clock.monotonicMs();
    const branch = this.#decided(now) ?? this.#decide(now);
    if (!branch) return undefined;
    assertAllowed(dataKeys.proofs.accessTo(branch.row.kid).vaultCall);
    const leaf = this.#leaves.takeMany(branch, use, bytes, now, messages);
    return leaf && this.#sealing(branch, leaf, context, now);
  }

  /**
   * Returns the branch of the last decision, if nothing that it depends on has changed. To weigh
   * all rows for each message would cost more than to seal a short one.
   */
  #decided(now: number): BranchKey | undefined {
    const decision = this.#decision;
    if (!decision || now >= decision.until || decision.reading !== this.#reading) return undefined;
    const { opened, newestKid, reading } = decision;
    const { branch } = opened;
    if (newestKid !== this.#slot().newestKid() || this.#branches.deps.boundTo() !== reading.databaseId)
      return undefined;
    const isHeld = this.#branches.held(branch.row.id) === opened;
    return isHeld && this.#branches.isUsable(opened, now) ? branch : undefined;
  }

  #decide(now: number): BranchKey | undefined {
    const reading = this.#freshReading(now);
    const opened = reading && this.#ready(reading, now);
    if (!opened) return undefined;
    const { settings } = this.#branches.deps;
    const { startMs, lengthMs } = this.#epoch(reading, now);
    const epochEndsAt = reading.at + (startMs + lengthMs - reading.nowMs);
    const until = Math.min(now + DECISION_MS, reading.at + settings.recheckMs, epochEndsAt);
    this.#decision = { opened, reading, newestKid: this.#slot().newestKid(), until };
    this.#upkeep.lookAhead(reading, now);
    return opened.branch;
  }

  #slot() {
    this.#ownSlot ??= this.#branches.dataKeys.slotFor(this.#key);
    return this.#ownSlot;
  }

  /**
   * Returns the same after waiting for database and vault.
   * @returns undefined if no branch may seal and the message is sealed self-contained instead
   * @throws ServiceError `registry-unavailable`, reason `branch-not-ready`, if the key's record
   * refuses that
   */
  async waitFor(use: LeafUse, bytes: number, context: Buffer | undefined): Promise<LeafSealing | undefined> {
    try {
      const found = await this.#useBranch((branch, now) => this.#seal(branch, use, bytes, context, now));
      return 'used' in found ? found.used : await this.#fallBack(found.reading);
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== 'registry-unavailable') throw error;
      return this.#fallBack(undefined, error);
    }
  }

  /**
   * Runs `use` with a branch in the turn in which the branch may seal. The monotonic time is when it
   * may seal no more: at the end of the epoch after its own.
   * @throws ServiceError `registry-unavailable`, reason `branch-not-ready`
   */
  async lease<T>(use: (branch: BranchKey, sealsUntil: number) => T): Promise<T> {
    const { epochMs } = this.#branches.deps.settings;
    const found = await this.#useBranch((branch, _now, { at, nowMs }) =>
      use(branch, at + (Date.parse(branch.row.label) + 2 * epochMs - nowMs)),
    );
    if ('used' in found) return found.used;
    throw notReady();
  }

  /** Runs `use` with the branch that seals; without one, returns the rows that were read. */
  async #useBranch<T>(
    use: (branch: BranchKey, now: number, reading: Reading) => T,
  ): Promise<{ readonly used: T } | { readonly reading: Reading }> {
    const { clock } = this.#branches.deps;
    await this.#slot().usableFacts();
    let reading = await this.#current();
    if (this.#candidates(reading, clock.monotonicMs()).length === 0) {
      if (await this.#rotation.follow(this.#rotation.outdated(reading, this.#conditions()))) this.#reading = undefined;
      reading = await this.#current();
    }
    if (this.#candidates(reading, clock.monotonicMs()).length === 0) {
      await this.#upkeep.makeFirst(reading);
      reading = await this.#current();
    }
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const branch = await this.#openFirst(reading);
      if (!branch) break;
      // The process may have been paused while it waited: only a look in this turn counts.
      const now = clock.monotonicMs();
      if (this.#maySeal(branch, now)) {
        this.#upkeep.lookAhead(reading, now);
        return { used: use(branch, now, reading) };
      }
      // The branch that was opened is newer than the reading, which was taken before a move.
      if (this.#reading === reading) this.#reading = undefined;
      reading = await this.#current();
    }
    this.#upkeep.lookAhead(reading, clock.monotonicMs());
    return { reading };
  }

  /** Notes a reported change: rows are read again before the next seal. */
  changed(): void {
    this.#changes += 1;
    this.#reading = undefined;
  }

  /** Drops the leaves, or only those under one key version. */
  drop(kid?: string): void {
    this.#leaves.drop(kid);
  }

  #seal(branch: BranchKey, use: LeafUse, bytes: number, context: Buffer | undefined, now: number): LeafSealing {
    return this.#sealing(branch, this.#leaves.take(branch, use, bytes, now), context, now);
  }

  #sealing(branch: BranchKey, leaf: Leaf, context: Buffer | undefined, now: number): LeafSealing {
    const { vaultCall, endsAt } = this.#branches.dataKeys.proofs.renewAhead(branch.dataKey, now);
    return {
      contentKey: leaf.key.contentKey(context),
      header: leaf.header,
      keyId: branch.row.kid,
      vaultCall,
      accessEndsAt: endsAt,
    };
  }

  /** Returns the reading if it is young enough to decide which branch seals. */
  #freshReading(now: number): Reading | undefined {
    const reading = this.#reading;
    return reading && now - reading.at < this.#branches.deps.settings.recheckMs ? reading : undefined;
  }

  /** Returns the branch that seals now, if it is in memory and needs no call. */
  #ready(reading: Reading, now: number): OpenedBranch | undefined {
    const [row] = this.#candidates(reading, now);
    const opened = row && this.#branches.held(row.id);
    if (!opened || opened.branch.row.jwe !== row.jwe || !this.#branches.isUsable(opened, now)) return undefined;
    return opened.branch.isOurs ? opened : undefined;
  }

  /** Returns whether an opened branch is one that may seal at this moment. */
  #maySeal(branch: BranchKey, now: number): boolean {
    const reading = this.#freshReading(now);
    if (!reading) return false;
    return this.#candidates(reading, now).some(({ id, jwe }) => id === branch.row.id && jwe === branch.row.jwe);
  }

  /**
   * Returns the first branch of the candidates that opens and is ours. One row that was altered or
   * planted must not keep the others from sealing.
   */
  async #openFirst(reading: Reading): Promise<BranchKey | undefined> {
    const { clock, onDisagreement } = this.#branches.deps;
    for (const row of this.#candidates(reading, clock.monotonicMs())) {
      const held = this.#branches.held(row.id);
      if (held && held.branch.row.jwe !== row.jwe) held.isStale = true; // moved: the change is not reported yet
      try {
        const { branch } = await this.#branches.open(row.id);
        if (branch.isOurs) return branch;
        onDisagreement(row);
      } catch (error) {
        if (!isOfRow(error)) throw error;
      }
      this.#refused.add(row.id);
    }
    return undefined;
  }

  #candidates(reading: Reading, now: number): readonly StoredKey[] {
    return candidates(reading, now, this.#conditions());
  }

  #conditions(): Conditions {
    const { settings, copies, boundTo } = this.#branches.deps;
    const newestKid = this.#slot().newestKid();
    return { settings, copies, boundTo, newestKid, refused: this.#refused };
  }

  #epoch(reading: Reading, now: number): EpochTimes {
    return epochOf(reading, now, this.#branches.deps.settings.epochMs);
  }

  async #current(): Promise<Reading> {
    return this.#freshReading(this.#branches.deps.clock.monotonicMs()) ?? this.#refresh();
  }

  #refresh(): Promise<Reading> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * Reads the rows of the previous, this and the next epoch, and restores those that existed before
   * and are missing now.
   */
  async #read(): Promise<Reading> {
    const { store, clock, settings, originKeys } = this.#branches.deps;
    const before = this.#reading;
    const changes = this.#changes;
    const nowMs = before ? before.nowMs + (clock.monotonicMs() - before.at) : await store.now();
    const epoch = epochAt(nowMs, settings.epochMs);
    const labels = [-1, 0, 1].map((steps) => epochLabel(epochAfter(epoch, steps)));
    const read = await store.labelled(this.#branches.tenant.id, 'branch', vaultKeyOf(this.#key), labels);
    const reading = { ...read, at: clock.monotonicMs() };
    this.#lastReading = reading;
    // A change that was reported meanwhile may be missing in these rows.
    this.#reading = changes === this.#changes ? reading : undefined;
    this.#refused.clear();
    this.#rotation.readAgain();
    for (const row of before ? lostRows(before, read, labels, originKeys.current()) : []) {
      await this.#branches.putBack(row);
      this.#reading = undefined; // the row exists again: the next use reads it
    }
    return reading;
  }

  /**
   * Decides about a message that no branch may seal. A key that never had a ready branch seals
   * self-contained messages.
   */
  async #fallBack(reading: Reading | undefined, cause?: ServiceError): Promise<undefined> {
    const { clock, counts } = this.#branches.deps;
    const why = whyNotReady(reading, clock.monotonicMs(), this.#conditions());
    counts.notReady[why] += 1;
    if (this.#key.fallback !== 'refuse') return undefined;
    const isFirst = reading !== undefined && !this.#isFirstReady && !(await this.#wasEverReady());
    if (isFirst) return undefined;
    throw notReady(cause);
  }

  /** Returns whether a branch key that encrypts now or next has no copy. */
  get isUncopied(): boolean {
    const { clock, copies, settings } = this.#branches.deps;
    if (!this.#lastReading || !copies.isRequired) return false;
    return uncopiedRows(this.#lastReading, clock.monotonicMs(), settings.epochMs).length > 0;
  }

  async #wasEverReady(): Promise<boolean> {
    const { store, settings, copies } = this.#branches.deps;
    const { keys, nowMs } = await store.oldest(this.#branches.tenant.id, 'branch', vaultKeyOf(this.#key));
    const [first] = keys;
    const isReady = first !== undefined && nowMs - first.createdAt >= settings.settleMs;
    this.#isFirstReady = isReady && (first.copiedKid !== undefined || !copies.isRequired);
    return this.#isFirstReady;
  }
}

/** Returns whether one row is at fault, and not the database, the vault or the customer. */
const isOfRow = (error: unknown): boolean =>
  error instanceof ServiceError &&
  ['undecryptable', 'context-mismatch', 'malformed-ciphertext', 'unknown-key', 'wrong-tenant'].includes(error.code);
