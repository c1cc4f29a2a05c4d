import type { GrownTree, TreeHead } from './checkpoint-table.ts';
import { addLeaf, type FullSubtree } from './tree.ts';

/** Returns the tree with these leaves added, and the subtrees of full tiles that they complete. */
export function grow({ tenantId, size, edge }: TreeHead, leaves: readonly Buffer[]): GrownTree {
  const grown = [...edge];
  const subtrees: FullSubtree[] = [];
  for (const [at, leaf] of leaves.entries()) subtrees.push(...addLeaf(grown, size + at, leaf));
  return { tenantId, size: size + leaves.length, edge: grown, subtrees };
}
