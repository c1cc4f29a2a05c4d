import { ServiceError } from '../../errors.ts';
import type { BranchDeps } from '../branches/branch-deps.ts';
import type { KeyringReading, NewStoredKey, StoredKey } from '../keyring-store.ts';
import { isOurRow } from '../stored-key-jwe.ts';
import { type IndexPlan, planOf, type VersionRow, versionsByName } from './index-plan.ts';

/**
 * How long rows serve after reading while the database is unreachable; tenants' records have the
 * same limit.
 */
const STALE_MS = 300_000;

/** The index keys of a tenant as they were read: `nowMs` is not later than at `at`. */
export interface Reading extends KeyringReading {
  readonly versions: ReadonlyMap<string, readonly VersionRow[]>;
  /** Monotonic time after the reading. */
  readonly at: number;
}

/** The stored index keys of one tenant, all of which are read together: they are few. */
export class IndexRows {
  readonly #tenantId: string;
  readonly #deps: BranchDeps;
  /** Rows that were seen settled. */
  readonly #settled = new Set<string>();
  #reading: Reading | undefined;
  #isStale: boolean = false;
  #refreshing: Promise<Reading> | undefined;

  constructor(tenantId: string, deps: BranchDeps) {
    this.#tenantId = tenantId;
    this.#deps = deps;
  }

  /** Returns the plan of an index if no call is needed; undefined otherwise. */
  takePlan(name: string): IndexPlan | undefined {
    const { clock, settings, revocationBoundMs } = this.#deps;
    const reading = this.#reading;
    if (!reading || this.#isStale) return undefined;
    const age = clock.monotonicMs() - reading.at;
    return age < Math.min(settings.recheckMs, revocationBoundMs) ? this.planIn(reading, name) : undefined;
  }

  /**
   * Returns the plan of an index, read from the database if necessary. While that is unreachable,
   * the last reading serves for five minutes.
   * @throws ServiceError `registry-unavailable`
   */
  async plan(name: string): Promise<IndexPlan> {
    const plan = this.takePlan(name);
    if (plan) return plan;
    try {
      return await this.freshPlan(name);
    } catch (error) {
      const { clock, revocationBoundMs } = this.#deps;
      const reading = this.#reading;
      const isServed = reading && clock.monotonicMs() - reading.at < STALE_MS && revocationBoundMs > 0;
      if (!isServed || !isUnavailable(error)) throw error;
      return this.planIn(reading, name);
    }
  }

  /**
   * Returns the plan of an index as it is in the database now.
   * @throws ServiceError `registry-unavailable`
   */
  async freshPlan(name: string): Promise<IndexPlan> {
    return this.planIn(await this.refresh(), name);
  }

  /** Reads the rows again and restores those that the database lost; concurrent calls share it. */
  refresh(): Promise<Reading> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Returns a reading that began after this call, such as after a write. */
  async reread(): Promise<Reading> {
    await this.#refreshing?.catch(() => undefined);
    return this.refresh();
  }

  /**
   * Copies the rows that have no copy yet, because writing it failed or the process that made them
   * ended.
   */
  async copyMissing(): Promise<void> {
    const { copies, store } = this.#deps;
    for (const { jwe, ...row } of this.#reading?.keys ?? []) {
      if (jwe === undefined || row.isCopied) continue;
      const uncopied = { ...row, jwe };
      if (!(await copies.write(uncopied))) return; // an export makes the copies, or nobody does
      await store.markCopied([uncopied]);
      this.changed();
    }
  }

  /** Notes a reported change: the rows are read again before their next use. */
  changed(): void {
    this.#isStale = true;
  }

  /** Returns whether there is something to lose: rows that were read. */
  get isRead(): boolean {
    return this.#reading !== undefined;
  }

  /** Returns the plan of an index in a reading, by the database's clock at this moment. */
  planIn({ versions, nowMs, at, databaseId }: Reading, name: string): IndexPlan {
    const { clock, settings, copies, boundTo } = this.#deps;
    return planOf(versions.get(name) ?? [], nowMs + (clock.monotonicMs() - at), {
      settleMs: settings.settleMs,
      isCopyRequired: copies.isRequired,
      isBound: boundTo() === databaseId,
      wasSettled: (id) => this.#settled.has(id),
    });
  }

  async #read(): Promise<Reading> {
    const before = this.#reading?.keys ?? [];
    this.#isStale = false; // a change that is reported meanwhile marks the new reading
    try {
      const first = await this.#readOnce();
      if (!(await this.#putBack(before, first))) return first;
      return await this.#readOnce();
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }

  async #readOnce(): Promise<Reading> {
    const { store, clock, settings } = this.#deps;
    const read = await store.ofKind(this.#tenantId, 'index');
    const { keys, nowMs } = read;
    for (const { id, createdAt } of keys) if (nowMs - createdAt >= settings.settleMs) this.#settled.add(id);
    const reading = { ...read, versions: versionsByName(keys), at: clock.monotonicMs() };
    this.#reading = reading;
    return reading;
  }

  /** Restores the rows that were there before, and reports those whose label was altered. */
  async #putBack(before: readonly StoredKey[], { keys }: Reading): Promise<boolean> {
    const stored = new Map(keys.map((row) => [row.id, row]));
    let isAdded = false;
    for (const row of before) {
      const now = stored.get(row.id);
      if (now && now.label !== row.label) this.#deps.onDisagreement(now);
      if (now || row.jwe === undefined) continue;
      const lost: NewStoredKey = { ...row, jwe: row.jwe };
      if (!isOurRow(lost, this.#deps.originKeys.current())) continue; // planted, and removed again
      if ((await this.#deps.store.restore(lost)) !== 'added') continue;
      isAdded = true;
      await this.#deps.onEvent('index-put-back', lost);
    }
    return isAdded;
  }
}

const isUnavailable = (error: unknown): boolean =>
  error instanceof ServiceError && error.code === 'registry-unavailable';
