import { hash } from 'node:crypto';

/** A subtree of 256^(level + 1) leaves, the first of which has the number place * 256^(level + 1). */
export interface FullSubtree {
  readonly level: number;
  readonly place: number;
  readonly root: Buffer;
}

/**
 * The Merkle tree of RFC 9162 §2.1.1 with its first `size` leaves. All that is kept of it is its
 * edge: the roots of the perfect subtrees that make it up, the largest first, without anything
 * between them. They follow from the size, one for each 1 in its binary form.
 */
export interface Tree {
  readonly size: number;
  readonly edge: Buffer;
}

export interface GrownTree extends Tree {
  /** The subtrees of full tiles that the new leaves completed. */
  readonly subtrees: readonly FullSubtree[];
}

export const HASH_BYTES = 32;
/** Leaves of one tile, as C2SP tlog-tiles has it. */
export const TILE_WIDTH = 256;
/** Levels of the tree in one tile. */
export const TILE_HEIGHT = 8;

export const EMPTY_TREE: Tree = { size: 0, edge: Buffer.alloc(0) };

/** The text of a node, used again for each: the byte 0x01, then the hashes of its children. */
const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1);
/** The edge of a tree that grows, used again for each: a size has at most 53 binary digits. */
const growing = Buffer.alloc(54 * HASH_BYTES);

/** Returns the hash of a leaf. The NUL character is the byte 0x00 that RFC 9162 puts before it. */
export const leafHash = (line: string): Buffer => sha256(`\0${line}`);

/** Returns the tree with these leaves added: their hashes, without anything between them. */
export function grow({ size, edge }: Tree, leaves: Buffer): GrownTree {
  if (edge.length !== edgeBytes(size)) throw new Error('the edge does not fit its size');
  const subtrees: FullSubtree[] = [];
  let end = edge.copy(growing);
  let number = size;
  for (let at = 0; at < leaves.length; at += HASH_BYTES) {
    end += leaves.copy(growing, end, at, at + HASH_BYTES);
    for (let [rest, height] = [number, 1]; rest % 2 === 1; rest = Math.floor(rest / 2), height += 1) {
      end -= HASH_BYTES;
      growing.copy(node, 1, end - HASH_BYTES, end + HASH_BYTES);
      growing.write(digestOf(node), end - HASH_BYTES, 'latin1');
      if (height % TILE_HEIGHT !== 0) continue;
      const root = Buffer.from(growing.subarray(end - HASH_BYTES, end));
      subtrees.push({ level: height / TILE_HEIGHT - 1, place: Math.floor(number / 2 ** height), root });
    }
    number += 1;
  }
  return { size: number, edge: Buffer.from(growing.subarray(0, end)), subtrees };
}

/** Returns the length of a tree's edge: a hash for each 1 in the binary form of its size. */
export function edgeBytes(size: number): number {
  let bytes = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bytes += HASH_BYTES * (rest % 2);
  return bytes;
}

/** Returns the root of a tree. */
export function rootOf({ edge }: Pick<Tree, 'edge'>): Buffer {
  const hashes = hashesIn(edge);
  const last = hashes.at(-1);
  return last ? hashes.slice(0, -1).reduceRight((root, subtree) => nodeHash(subtree, root), last) : sha256('');
}

/** Returns the hashes that stand in these bytes one after the other. */
export const hashesIn = (bytes: Buffer): Buffer[] =>
  Array.from({ length: bytes.length / HASH_BYTES }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));

export function nodeHash(left: Buffer, right: Buffer): Buffer {
  left.copy(node, 1);
  right.copy(node, 1 + HASH_BYTES);
  return sha256(node);
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

const sha256 = (bytes: string | Buffer): Buffer => Buffer.from(digestOf(bytes), 'latin1');

/** A text as output takes half of the time that a Buffer takes, its conversion included. */
const digestOf = (bytes: string | Buffer): string => hash('sha256', bytes, 'latin1');

function at0(hashes: readonly Buffer[], index: number): Buffer {
  const found = hashes[index];
  if (!found) throw new Error('a hash of the tree is missing');
  return found;
}
