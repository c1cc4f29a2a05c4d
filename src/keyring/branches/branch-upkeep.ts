import type { RegisteredKey } from '../../tenants/record.ts';
import { type BranchSource, vaultKeyOf } from './branch-deps.ts';
import { BranchMaker } from './branch-maker.ts';
import type { BranchRotation } from './branch-rotation.ts';
import {
  type EpochTimes,
  epochAfter,
  epochLabel,
  makingPart,
  openingPart,
  partOfEpoch,
  placeInQuarter,
} from './epoch.ts';
import { type Conditions, epochOf, liveRows, type Reading } from './reading.ts';

/** Failures in the background are retried after this time. */
const RETRY_AFTER_MS = 10_000;

/** The rows that the branches of a key are weighed by. */
export interface WeighedRows {
  readonly conditions: () => Conditions;
  /** Reads the rows again. */
  readonly refresh: () => Promise<Reading>;
  /** Called when rows in memory are older than a change of this process's own. */
  readonly onChanged: () => void;
}

/**
 * Makes, copies, opens and moves the branches of one registered key before a message needs them, one
 * task at a time in the background.
 */
export class BranchUpkeep {
  readonly #branches: BranchSource;
  readonly #rotation: BranchRotation;
  readonly #rows: WeighedRows;
  readonly #maker: BranchMaker;
  /** The times in their quarters at which this process makes and opens branches. */
  readonly #makeAt: number;
  readonly #openAt: number;
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(branches: BranchSource, key: RegisteredKey, rotation: BranchRotation, rows: WeighedRows) {
    this.#branches = branches;
    this.#rotation = rotation;
    this.#rows = rows;
    this.#maker = new BranchMaker(branches, key, rows.onChanged);
    const { jitter } = branches.deps;
    this.#makeAt = makingPart(placeInQuarter(branches.tenant.id, vaultKeyOf(key)), jitter());
    this.#openAt = openingPart(jitter());
  }

  /** Starts what is due next, unless a task is in progress or one has just failed. */
  lookAhead(reading: Reading, now: number): void {
    const { settings, boundTo } = this.#branches.deps;
    if (now < this.#retryAt || boundTo() !== reading.databaseId) return;
    const epoch = epochOf(reading, now, settings.epochMs);
    const part = partOfEpoch(epoch, reading.nowMs + (now - reading.at));
    const next = reading.keys.find(({ label, jwe }) => jwe !== undefined && label === epochLabel(epochAfter(epoch, 1)));
    const uncopied = this.#maker.uncopied(reading, now);
    const outdated = this.#rotation.outdated(reading, this.#rows.conditions());
    if (now - reading.at >= settings.recheckMs / 2) this.#refreshAhead(now);
    else if (outdated.length > 0) this.#inBackground(now, () => this.#rotation.follow(outdated));
    else if (!this.#hasLive(reading, epoch)) this.#inBackground(now, () => this.#maker.make(epoch));
    else if (!next && part >= this.#makeAt) this.#inBackground(now, () => this.#maker.make(epochAfter(epoch, 1)));
    else if (uncopied) this.#inBackground(now, () => this.#maker.copy(uncopied));
    else if (next && part >= this.#openAt && !this.#branches.held(next.id)) {
      this.#inBackground(now, () => this.#branches.open(next.id));
    }
  }

  /** Reads the rows again, then looks ahead: a tenant with few requests must not miss its turn. */
  #refreshAhead(now: number): void {
    const { clock } = this.#branches.deps;
    this.#inBackground(now, async () => {
      const reading = await this.#rows.refresh();
      this.#retryAt = Number.NEGATIVE_INFINITY;
      this.lookAhead(reading, clock.monotonicMs());
    });
  }

  /**
   * Makes this epoch's branch if it has none. Without a settling time the branch seals at once,
   * otherwise later.
   */
  async makeFirst(reading: Reading): Promise<void> {
    const { clock, settings, onBackgroundFailure, boundTo } = this.#branches.deps;
    const now = clock.monotonicMs();
    const epoch = epochOf(reading, now, settings.epochMs);
    if (boundTo() !== reading.databaseId || this.#hasLive(reading, epoch)) return;
    if (settings.settleMs === 0 && this.#maker.isMaking) return this.#maker.make(epoch);
    if (now < this.#retryAt) return;
    this.#retryAt = now + RETRY_AFTER_MS;
    const making = this.#maker.make(epoch);
    if (settings.settleMs > 0) making.catch(onBackgroundFailure);
    else await making;
  }

  #inBackground(now: number, work: () => Promise<unknown>): void {
    this.#retryAt = now + RETRY_AFTER_MS;
    work().then(() => {
      this.#retryAt = Number.NEGATIVE_INFINITY;
    }, this.#branches.deps.onBackgroundFailure);
  }

  /** Returns whether the epoch has a branch under the newest version, ready or not. */
  #hasLive(reading: Reading, epoch: EpochTimes): boolean {
    return liveRows(reading, epoch, this.#rows.conditions()).length > 0;
  }
}
