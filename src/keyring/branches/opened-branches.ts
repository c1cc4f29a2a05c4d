import type { Gcm } from '../../format/aes-gcm.ts';
import { deriveLeafKey, LeafKey, type LeafUse } from '../../format/compact.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { BranchKey } from './branch-key.ts';

const MAX_BRANCHES = 512;
const MAX_LEAVES = 4_096;
/** Characters at the beginning of K and of the branch id that both consist of bits of the id alone. */
const COMMON_CHARACTERS = 10;

/** A branch key in memory, and the time since when its row is known to be unchanged. */
export interface OpenedBranch {
  readonly branch: BranchKey;
  /** Monotonic time at which its row was last read. */
  readAt: number;
  /** A change was reported since then: the row is read again before the next use. */
  isStale: boolean;
}

/** One tenant's branch keys in memory, and the leaf keys that were derived to open messages. */
export class OpenedBranches {
  readonly #gcm: Gcm;
  readonly #branches = new BoundedMap<OpenedBranch>(MAX_BRANCHES);
  /** By K: no text of use and K is made for each message. */
  readonly #leaves: Readonly<Record<LeafUse, BoundedMap<LeafKey>>> = {
    message: new BoundedMap<LeafKey>(MAX_LEAVES),
    stream: new BoundedMap<LeafKey>(MAX_LEAVES),
  };

  constructor(gcm: Gcm) {
    this.#gcm = gcm;
  }

  get(branchId: string): OpenedBranch | undefined {
    return this.#branches.get(branchId);
  }

  put(branch: BranchKey, readAt: number): OpenedBranch {
    const opened = { branch, readAt, isStale: false };
    const { id } = branch.row;
    if (this.#branches.size >= MAX_BRANCHES && !this.#branches.has(id)) this.#dropOldest();
    this.#branches.set(id, opened);
    return opened;
  }

  /** Returns the key of any leaf, derived at its first use. */
  leafKey({ branch }: OpenedBranch, use: LeafUse, kid: string): LeafKey {
    const leaves = this.#leaves[use];
    const known = leaves.get(kid);
    if (known) return known;
    const key = new LeafKey(this.#gcm, deriveLeafKey(branch.key, use, branch.row.tenantId, kid));
    leaves.set(kid, key);
    return key;
  }

  /** Marks every row to be read again before its next use. */
  markStale(): void {
    for (const opened of this.#branches.values()) opened.isStale = true;
  }

  /** Evicts the branches under one key version, or all of them, with their leaves. */
  evict(kid?: string): void {
    for (const [id, { branch }] of this.#branches.entries()) {
      if (kid === undefined || branch.row.kid === kid) this.#branches.delete(id);
    }
    this.#clearLeaves();
  }

  drop(branchId: string): void {
    this.#branches.delete(branchId);
    this.#clearLeaves();
  }

  /** Drops the least recently used branch with its leaves: no leaf outlives its branch in memory. */
  #dropOldest(): void {
    const oldest = this.#branches.oldestKey();
    if (oldest === undefined) return;
    this.#branches.delete(oldest);
    const start = oldest.slice(0, COMMON_CHARACTERS);
    for (const leaves of Object.values(this.#leaves)) {
      for (const kid of leaves.keys()) if (kid.startsWith(start)) leaves.delete(kid);
    }
  }

  #clearLeaves(): void {
    this.#leaves.message.clear();
    this.#leaves.stream.clear();
  }

  get size(): number {
    return this.#branches.size;
  }

  /** Returns the branches in memory. */
  held(): readonly OpenedBranch[] {
    return [...this.#branches.values()];
  }
}
