interface Step {
  readonly tenantId: string;
  readonly before: number | undefined;
  readonly young: Map<string, number>;
  readonly old: ReadonlyMap<string, number>;
}

const DEFAULT_GENERATION = 50_000;

/**
 * Counts each tenant's records within one chain, from 0. Callers can put invented tenant ids into
 * refusals, so the table is bounded: two generations of 50,000 tenants. A full young generation
 * becomes the old one. A tenant without a record for a whole generation starts again at 0. Only the
 * records decide which tenants are forgotten. So the verifier, which uses this same class, knows
 * when a restart is right and when it hides a removed record.
 */
export class TenantSequences {
  readonly #generation: number;
  #young = new Map<string, number>();
  #old: ReadonlyMap<string, number> = new Map();
  #steps: (Step | undefined)[] = [];

  constructor(generation = DEFAULT_GENERATION) {
    this.#generation = generation;
  }

  /**
   * Returns the number of the tenant's next record; undefined for a record of no tenant. Call it
   * for each record.
   */
  next(tenantId: string | undefined): number | undefined {
    if (tenantId === undefined) {
      this.#steps.push(undefined);
      return;
    }
    const before = this.#young.get(tenantId);
    const last = before ?? this.#old.get(tenantId) ?? -1;
    this.#steps.push({ tenantId, before, young: this.#young, old: this.#old });
    if (before === undefined && this.#young.size >= this.#generation) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(tenantId, last + 1);
    return last + 1;
  }

  /** Makes the first `count` calls since the last `keep` final and undoes the others. */
  keep(count: number): void {
    for (const step of this.#steps.splice(count).reverse()) {
      if (step !== undefined) this.#undo(step);
    }
    this.#steps.length = 0;
  }

  #undo({ tenantId, before, young, old }: Step): void {
    if (before === undefined) young.delete(tenantId);
    else young.set(tenantId, before);
    this.#young = young;
    this.#old = old;
  }
}
