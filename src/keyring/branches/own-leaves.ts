import { ServiceError } from '../../errors.ts';
import type { LeafUse } from '../../format/compact.ts';
import type { DrawRandom } from '../../lib/random.ts';
import type { DataKeyBounds } from '../../tenants/bounds.ts';
import type { BranchKey } from './branch-key.ts';
import { Leaf } from './leaf.ts';

/** The current leaves of one registered key: one for messages and one for the headers of streams. */
export class OwnLeaves {
  readonly #leaves = new Map<LeafUse, Leaf>();
  readonly #draw: DrawRandom;
  readonly #limits: { readonly bounds: DataKeyBounds };

  constructor(draw: DrawRandom, limits: { readonly bounds: DataKeyBounds }) {
    this.#draw = draw;
    this.#limits = limits;
  }

  /** Returns a leaf of the branch with the use counted: the current one, or a new one. */
  take(branch: BranchKey, use: LeafUse, bytes: number, now: number): Leaf {
    const current = this.#leaves.get(use);
    const { bounds } = this.#limits;
    const isKept = bounds.mode === 'cached' && current?.branch === branch;
    if (isKept && current.take(now, bytes)) return current;
    const leaf = new Leaf(branch, use, this.#draw(Leaf.saltBytes), bounds, now);
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
