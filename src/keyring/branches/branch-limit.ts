/** Branch keys in the memory of a process: about 2 KB each. */
const MAX_BRANCHES = 50_000;
/** Tenants are counted again after this part of the limit was opened. */
const COUNTED_EACH = 0.02;

/** One tenant's branch keys in memory. */
export interface HeldBranches {
  readonly size: number;
  evict(): void;
}

/** Bounds the branch keys of all tenants in a process's memory. */
export class BranchLimit {
  readonly #max: number;
  /** Returns the tenants, the most recently used first. */
  readonly #tenants: () => Iterable<HeldBranches>;
  #openedSince = 0;

  constructor(tenants: () => Iterable<HeldBranches>, max: number = MAX_BRANCHES) {
    this.#tenants = tenants;
    this.#max = max;
  }

  /** Counts a branch key that was opened. At the limit, tenants that were not used lately lose theirs. */
  opened(): void {
    this.#openedSince += 1;
    if (this.#openedSince < this.#max * COUNTED_EACH) return;
    this.#openedSince = 0;
    let held = 0;
    for (const branches of this.#tenants()) {
      held += branches.size;
      if (held <= this.#max || held === branches.size) continue;
      held -= branches.size;
      branches.evict();
    }
  }
}
