import { describe, expect, test } from '@jest/globals';
import { consistencyProof, inclusionProof, type Tiles } from '../../../src/audit/receipts/proofs.ts';
import { parseTilePath, tilePath, tilesOf } from '../../../src/audit/receipts/tile-path.ts';
import { EMPTY_TREE, type FullSubtree, grow, leafHash, rootOf, type Tree } from '../../../src/audit/receipts/tree.ts';
import { leafOf, rootOfInclusion, rootsOfConsistency, treeHash } from '../../support/merkle.ts';

const lineOf = (n: number): string => `{"n":${n},"ü":"${'x'.repeat(n % 70)}"}`;

/** Returns a log's hashes as its tables have them: leaves, and roots of full tiles by level. */
function logOf(size: number) {
  let tree: Tree = EMPTY_TREE;
  const leaves: Buffer[] = [];
  const subtrees: FullSubtree[] = [];
  const roots: Buffer[] = [rootOf(tree)];
  for (let n = 0; n < size; n += 1) {
    const leaf = leafHash(lineOf(n));
    leaves.push(leaf);
    const grown = grow(tree, leaf);
    subtrees.push(...grown.subtrees);
    if (n < 2_000) roots.push(rootOf(grown));
    tree = grown;
  }
  const above = (level: number) => subtrees.filter((one) => one.level === level).sort((a, b) => a.place - b.place);
  const tiles: Tiles = {
    tile: async (level, index) => {
      const hashes = level === 0 ? leaves : above(level - 1).map(({ root }) => root);
      return hashes.slice(index * 256, (index + 1) * 256);
    },
  };
  return { leaves, roots, subtrees, tiles };
}

test('hashes are those of RFC 9162: of the empty tree, of a leaf and of every size', () => {
  expect(rootOf(EMPTY_TREE).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  // From the test data of Certificate Transparency: the leaf is one byte, 0x00, or none.
  expect(leafHash('').toString('hex')).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  expect(leafHash('\0').toString('hex')).toBe('96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7');
  const { leaves, roots } = logOf(300);
  for (const [size, root] of roots.entries()) expect(root.equals(treeHash(leaves.slice(0, size)))).toBe(true);
  expect(leaves[7]?.equals(leafOf(lineOf(7)))).toBe(true);
});

test('a tree that grows by many leaves at once is the one that grows by each', () => {
  const { leaves, roots, subtrees } = logOf(1_100);
  for (const [from, to] of [
    [0, 1_100],
    [0, 1],
    [1, 1_100],
    [255, 257],
    [511, 513],
    [700, 1_100],
  ] as const) {
    const before = grow(EMPTY_TREE, Buffer.concat(leaves.slice(0, from)));
    const after = grow(before, Buffer.concat(leaves.slice(from, to)));
    expect(after.size).toBe(to);
    expect(rootOf(after)).toEqual(roots[to]);
    expect([...before.subtrees, ...after.subtrees]).toEqual(subtrees.slice(0, Math.floor(to / 256)));
  }
});

test('an edge that does not fit the size is refused', () => {
  const { edge } = grow(EMPTY_TREE, Buffer.alloc(3 * 32, 7));
  for (const size of [0, 1, 2, 4, 7]) expect(() => grow({ size, edge }, leafHash('x'))).toThrow('does not fit');
});

test('a full tile gives the root of its subtree, and 256 of them that of the level above', () => {
  const { leaves, subtrees } = logOf(256 * 256);
  expect(subtrees).toHaveLength(257);
  expect(subtrees[3]).toEqual({ level: 0, place: 3, root: treeHash(leaves.slice(768, 1024)) });
  expect(subtrees.at(-1)).toEqual({ level: 1, place: 0, root: treeHash(leaves) });
});

describe('proofs', () => {
  const { leaves, roots, tiles } = logOf(1_100);

  test.each([1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 1_000, 1_100])(
    'of inclusion lead to the root of size %i',
    async (size) => {
      for (let index = 0; index < size; index += Math.ceil(size / 40)) {
        const proof = await inclusionProof(tiles, index, size);
        const leaf = leaves[index] ?? Buffer.alloc(0);
        expect(rootOfInclusion(leaf, index, size, proof)?.equals(roots[size] ?? leaf)).toBe(true);
        if (proof.length === 0) continue;
        const wrong = proof.with(0, Buffer.alloc(32));
        expect(rootOfInclusion(leaf, index, size, wrong)?.equals(roots[size] ?? leaf)).toBe(false);
      }
    },
  );

  test.each([2, 3, 255, 256, 257, 512, 1_023, 1_100])(
    'of consistency lead to both roots, up to size %i',
    async (size) => {
      for (let from = 1; from < size; from += Math.ceil(size / 40)) {
        const root = roots[from] ?? Buffer.alloc(0);
        const proof = await consistencyProof(tiles, from, size);
        expect(rootsOfConsistency(from, size, root, proof)).toEqual([root, roots[size]]);
      }
      expect(await consistencyProof(tiles, size, size)).toEqual([]);
      expect(await consistencyProof(tiles, 0, size)).toEqual([]);
    },
  );
});

test.each([
  [{ index: 0, width: 256 }, '000'],
  [{ index: 67, width: 12 }, '067.p/12'],
  [{ index: 1_234_067, width: 256 }, 'x001/x234/067'],
  [{ index: 1_000, width: 1 }, 'x001/000.p/1'],
])('the place %j of a tile is %s', (place, path) => {
  expect(tilePath(place)).toBe(path);
  expect(parseTilePath(path)).toEqual(place);
});

test.each([
  '',
  '0',
  '00',
  '0000',
  'x000/067',
  '067.p',
  '067.p/',
  '067.p/0',
  '067.p/01',
  '067.p/256',
  '067.p/257',
  '../000',
  'x001',
  '067/068',
  'x001/x234/x567/x890/x123/456',
])('"%s" is no place of a tile', (path) => {
  expect(parseTilePath(path)).toBeUndefined();
});

test('a log of 70,000 entries has the tiles that C2SP gives as its example', () => {
  const levels = [0, 1, 2, 3].map((level) => tilesOf(level, 70_000));
  expect(levels.map(({ length }) => length)).toEqual([274, 2, 1, 0]);
  expect(levels.map((tiles) => tiles.at(-1)?.width)).toEqual([112, 17, 1, undefined]);
});
