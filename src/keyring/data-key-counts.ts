import type { ServiceError } from '../errors.ts';

/** Reasons are our own words; this limit applies even if one is not. */
const MAX_REASONS = 50;

/**
 * A process's counts of data keys since its start. They are plain numbers, because they are on the
 * path of each request.
 */
export class DataKeyCounts {
  /** Seals that found a data key ready, and those that waited for the vault. */
  sealingHits = 0;
  sealingWaits = 0;
  minted = 0;
  /** Opens that found the data key in memory. */
  openingHits = 0;
  unwrapped = 0;
  /** Proofs of access renewed. */
  proofs = 0;
  readonly #refusals = new Map<string, number>();

  /** Counts a definite refusal of access, after which data keys are evicted. */
  refused({ reason, code }: ServiceError): void {
    const known = reason ?? code;
    const name = this.#refusals.has(known) || this.#refusals.size < MAX_REASONS ? known : 'other';
    this.#refusals.set(name, (this.#refusals.get(name) ?? 0) + 1);
  }

  /** Returns the counts by reason, such as `role-missing`. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }
}

/** The numbers of keys in memory now. */
export interface DataKeysHeld {
  readonly tenants: number;
  readonly sealing: number;
  readonly opening: number;
  readonly branches: number;
  readonly indexes: number;
  /** Registered keys whose branch key of this epoch or the next has no copy. */
  readonly uncopied: number;
}
