import { ServiceError } from '../../errors.ts';
import type { Soon } from '../../lib/when-ready.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { IndexRefusal } from '../branches/branch-counts.ts';
import type { BranchDataKeys, BranchDeps } from '../branches/branch-deps.ts';
import { alteredKey, lostVersion, notReady, unknownVersion } from './index-errors.ts';
import type { IndexPlan, VersionRow } from './index-plan.ts';
import { IndexRows } from './index-rows.ts';
import { type OpenedIndexKey, OpenedIndexKeys } from './opened-index-keys.ts';

/** The keys of one index for a look-up. */
export interface IndexUse {
  /** The version that new values are written with. */
  readonly writing: OpenedIndexKey;
  /** Every version that is searched, the oldest first; `writing` among them. */
  readonly searched: readonly OpenedIndexKey[];
}

/** The index keys of one tenant in one revision of its record. */
export class TenantIndexes {
  readonly tenant: Tenant;
  readonly deps: BranchDeps;
  readonly dataKeys: BranchDataKeys;
  readonly rows: IndexRows;
  readonly #opened: OpenedIndexKeys;

  constructor(tenant: Tenant, dataKeys: BranchDataKeys, deps: BranchDeps) {
    this.tenant = tenant;
    this.dataKeys = dataKeys;
    this.deps = deps;
    this.rows = new IndexRows(tenant.id, deps);
    this.#opened = new OpenedIndexKeys(tenant, dataKeys, deps);
  }

  /**
   * Returns the keys of an index; at once if its rows and keys are in memory and access is proven.
   * It never makes a key: after a loss of the database, a new key would find nothing.
   * @throws ServiceError `registry-unavailable`, reasons `index-not-ready`, `index-key-missing` and
   * `index-key-altered`, and the failures of the vault
   */
  forLookUp(name: string): Soon<IndexUse> {
    const plan = this.rows.takePlan(name);
    if (!plan) return this.#waitForLookUp(name);
    const searched = this.#takeAll(plan.live);
    return searched ? this.#use(plan, searched) : this.#waitForLookUp(name);
  }

  /**
   * Returns the keys of one version, of which there may be two; none for a version that the index
   * does not have.
   * @throws ServiceError as forLookUp, and `unknown-key` for a retired version
   */
  forOpening(name: string, version: number): Soon<readonly OpenedIndexKey[]> {
    const plan = this.rows.takePlan(name);
    const opened = plan && this.#takeAll(plan.live.filter((live) => live.version === version));
    return opened && opened.length > 0 ? opened : this.#waitForOpening(name, version);
  }

  /** Notes a reported change of this tenant's keys: rows are read again before their next use. */
  changed(): void {
    this.rows.changed();
  }

  /**
   * Reads the rows in memory again, restores those that the database lost and copies those without a
   * copy.
   */
  async recheck(): Promise<void> {
    if (!this.rows.isRead) return;
    const { keys } = await this.rows.refresh();
    this.#opened.keepOnly(keys);
    await this.rows.copyMissing();
  }

  /** Evicts the keys under one key version; without one, all of them. */
  evict(kid?: string): void {
    this.#opened.evict(kid);
  }

  get size(): number {
    return this.#opened.size;
  }

  #takeAll(versions: readonly VersionRow[]): readonly OpenedIndexKey[] | undefined {
    const now = this.deps.clock.monotonicMs();
    const opened: OpenedIndexKey[] = [];
    for (const version of versions) {
      const key = this.#opened.take(version, now);
      if (!key) return undefined;
      opened.push(key);
    }
    return opened;
  }

  async #waitForLookUp(name: string): Promise<IndexUse> {
    const plan = await this.rows.plan(name);
    this.#assertReady(plan);
    const opened = await this.#openAll(name, plan, ({ live }) => live);
    return this.#use(opened.plan, opened.keys);
  }

  async #waitForOpening(name: string, version: number): Promise<readonly OpenedIndexKey[]> {
    const plan = await this.rows.plan(name);
    const ofVersion = ({ live }: IndexPlan) => live.filter((one) => one.version === version);
    if (ofVersion(plan).length > 0) return (await this.#openAll(name, plan, ofVersion)).keys;
    throw unknownVersion(version <= plan.highest && plan.missing !== version);
  }

  /**
   * Opens versions of a plan. They may have been moved to another version of the vault's key than
   * the refused one: their rows are read again before a refusal is reported.
   */
  async #openAll(
    name: string,
    plan: IndexPlan,
    choose: (plan: IndexPlan) => readonly VersionRow[],
  ): Promise<{ readonly plan: IndexPlan; readonly keys: readonly OpenedIndexKey[] }> {
    try {
      return { plan, keys: await this.#open(choose(plan)) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const again = await this.rows.freshPlan(name);
      if (isSame(choose(again), choose(plan))) throw error;
      return { plan: again, keys: await this.#open(choose(again)) };
    }
  }

  #open(versions: readonly VersionRow[]): Promise<readonly OpenedIndexKey[]> {
    return Promise.all(versions.map((version) => this.#opened.open(version)));
  }

  #use(plan: IndexPlan, searched: readonly OpenedIndexKey[]): IndexUse {
    this.#assertReady(plan);
    const planted = searched.find(({ isOurs }) => !isOurs);
    if (planted) {
      this.deps.onDisagreement(planted.row);
      throw this.#counted(alteredKey());
    }
    const writing = searched.find(({ row }) => row.id === plan.writing?.row.id);
    if (!writing) throw this.#counted(notReady(true));
    return { writing, searched };
  }

  #assertReady({ writing, missing, isBound }: IndexPlan): void {
    if (missing !== undefined) throw this.#counted(lostVersion(missing));
    if (!writing || !isBound) throw this.#counted(notReady(isBound));
  }

  #counted(refusal: ServiceError): ServiceError {
    this.deps.counts.indexRefusals[refusal.reason as IndexRefusal] += 1; // of index-errors
    return refusal;
  }
}

const isRefusal = (error: unknown): boolean => error instanceof ServiceError && error.scope === 'key';

const isSame = (a: readonly VersionRow[], b: readonly VersionRow[]): boolean =>
  a.length === b.length && a.every(({ row }, at) => row.id === b[at]?.row.id && row.jwe === b[at].row.jwe);
