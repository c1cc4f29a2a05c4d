import { createHash } from 'node:crypto';

// Written from RFC 9162 and not from src, so that the two check each other.

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const leafOf = (line: string): Buffer => sha256(Buffer.of(0), Buffer.from(line));
const node = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right);

/** Returns MTH of RFC 9162 §2.1.1, of hashed leaves. */
export function treeHash(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves;
  if (!first) return sha256();
  if (leaves.length === 1) return first;
  const half = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return node(treeHash(leaves.slice(0, half)), treeHash(leaves.slice(half)));
}

/** Returns the root that an inclusion proof leads to: RFC 9162 §2.1.3.2. */
export function rootOfInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  path: readonly Buffer[],
): Buffer | undefined {
  let [fn, sn, root] = [index, size - 1, leaf];
  for (const hash of path) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      root = node(hash, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >>> 1, sn >>> 1];
    } else {
      root = node(root, hash);
    }
    [fn, sn] = [fn >>> 1, sn >>> 1];
  }
  return sn === 0 ? root : undefined;
}

/** Returns the roots of both trees that a consistency proof leads to: RFC 9162 §2.1.4.2. */
export function rootsOfConsistency(
  first: number,
  second: number,
  firstRoot: Buffer,
  proof: readonly Buffer[],
): readonly [Buffer, Buffer] | undefined {
  const path = Number.isInteger(Math.log2(first)) ? [firstRoot, ...proof] : [...proof];
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [fn >>> 1, sn >>> 1];
  const start = path.shift();
  if (!start) return undefined;
  let [fr, sr] = [start, start];
  for (const hash of path) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [node(hash, fr), node(hash, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >>> 1, sn >>> 1];
    } else {
      sr = node(sr, hash);
    }
    [fn, sn] = [fn >>> 1, sn >>> 1];
  }
  return sn === 0 ? [fr, sr] : undefined;
}
