import { ServiceError } from '../../errors.ts';
import type { LeafUse } from '../../format/compact.ts';
import type { DataKeyBounds } from '../../tenants/bounds.ts';
import type { BranchDeps } from './branch-deps.ts';
import type { BranchKey } from './branch-key.ts';
import { Leaf } from './leaf.ts';

/** The current leaves of one registered key: one for messages and one for the headers of streams. */
export class OwnLeaves {
  readonly #leaves = new Map<LeafUse, Leaf>();
  readonly #deps: Pick<BranchDeps, 'gcm' | 'draw'>;
  readonly #limits: { readonly bounds: DataKeyBounds };

  constructor(deps: Pick<BranchDeps, 'gcm' | 'draw'>, limits: { readonly bounds: DataKeyBounds }) {
    this.#deps = deps;
    this.#limits = limits;
  }

  /**
   * Returns the current leaf with so many messages counted. Returns undefined if there is none of
   * this branch that may seal them all: then each message is counted for itself.
   */
  takeMany(branch: BranchKey, use: LeafUse, bytes: number, now: number, messages: number): Leaf | undefined {
    const current = this.#leaves.get(use);
    const isKept = this.#limits.bounds.mode === 'cached' && current?.branch === branch;
    return isKept && current.take(now, bytes, messages) ? current : undefined;
  }

  /** Returns a leaf of the branch with the use counted: the current one, or a new one. */
  take(branch: BranchKey, use: LeafUse, bytes: number, now: number): Leaf {
    const current = this.#leaves.get(use);
    const { bounds } = this.#limits;
    const isKept = bounds.mode === 'cached' && current?.branch === branch;
    if (isKept && current.take(now, bytes)) return current;
    const leaf = new Leaf(this.#deps.gcm, branch, use, this.#deps.draw(Leaf.saltBytes), bounds, now);
    if (!leaf.take(now, bytes))
      throw new ServiceError('body-too-large', 'The message is larger than one leaf key may encrypt');
    this.#leaves.set(use, leaf);
    return leaf;
  }

  /** Drops the leaves, or only those under one key version. */
  drop(kid?: string): void {
    for (const [use, { branch }] of this.#leaves) {
      if (kid === undefined || branch.row.kid === kid) this.#leaves.delete(use);
    }
  }
}
