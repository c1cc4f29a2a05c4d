import { hash } from 'node:crypto';

/**
 * The Merkle tree of RFC 9162 §2.1.1, grown leaf by leaf. All that is kept of it is its edge: the
 * roots of the perfect subtrees that make it up, the largest first. They follow from the size, one
 * for each 1 in its binary form.
 */
export type Edge = Buffer[];

/** A subtree of 256^(level + 1) leaves, the first of which has the number place * 256^(level + 1). */
export interface FullSubtree {
  readonly level: number;
  readonly place: number;
  readonly root: Buffer;
}

export const HASH_BYTES = 32;
/** Leaves of one tile, as C2SP tlog-tiles has it. */
export const TILE_WIDTH = 256;
/** Levels of the tree in one tile. */
export const TILE_HEIGHT = 8;

/** The text of a node, used again for each: the byte 0x01, then the hashes of its children. */
const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** Returns the hash of a leaf. The NUL character is the byte 0x00 that RFC 9162 puts before it. */
export const leafHash = (line: string): Buffer => sha256(`\0${line}`);

export function nodeHash(left: Buffer, right: Buffer): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/** A text as output takes half of the time that a Buffer takes, its conversion included. */
const sha256 = (bytes: string | Buffer): Buffer => Buffer.from(hash('sha256', bytes, 'latin1'), 'latin1');

/** Adds the leaf with this number to the edge, and returns the subtrees of full tiles that it completes. */
export function addLeaf(edge: Edge, number: number, leaf: Buffer): readonly FullSubtree[] {
  const completed: FullSubtree[] = [];
  let root = leaf;
  for (let [rest, height] = [number, 0]; rest % 2 === 1; rest = Math.floor(rest / 2)) {
    const left = edge.pop();
    if (!left) throw new Error('the edge does not fit its size');
    root = nodeHash(left, root);
    height += 1;
    if (height % TILE_HEIGHT === 0) {
      completed.push({ level: height / TILE_HEIGHT - 1, place: Math.floor(number / 2 ** height), root });
    }
  }
  edge.push(root);
  return completed;
}

/** Returns the root of the tree with this edge. */
export function rootOf(edge: readonly Buffer[]): Buffer {
  const last = edge.at(-1);
  if (!last) return sha256('');
  return edge.slice(0, -1).reduceRight((root, subtree) => nodeHash(subtree, root), last);
}

/** Returns the root of a perfect subtree from the hashes of its leaves, or of nodes of one height. */
export function rootOfPerfect(hashes: readonly Buffer[]): Buffer {
  let level = hashes;
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(nodeHash(at0(level, at), at0(level, at + 1)));
    level = above;
  }
  return at0(level, 0);
}

function at0(hashes: readonly Buffer[], index: number): Buffer {
  const found = hashes[index];
  if (!found) throw new Error('a hash of the tree is missing');
  return found;
}
