import { nodeHash, rootOfPerfect, TILE_HEIGHT, TILE_WIDTH } from './tree.ts';

/** The hashes of one log, tile by tile, the last tile of each level as wide as the log allows. */
export interface Tiles {
  /** Returns the hashes of a tile; fewer than 256 for the last one of its level. */
  tile(level: number, index: number): Promise<readonly Buffer[]>;
}

/** Leaves from `start` to before `end`. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Returns the proof that the leaf with this number is in the tree of `size` leaves: the hashes from
 * the leaf's sibling up to the root's child (RFC 9162 §2.1.3.1).
 */
export const inclusionProof = (tiles: Tiles, leaf: number, size: number): Promise<Buffer[]> =>
  hashesOf(tiles, inclusionRanges(leaf, { start: 0, end: size }));

/**
 * Returns the proof that the tree of `size` leaves begins with the whole tree of `from` leaves (RFC
 * 9162 §2.1.4.1). It is empty for an empty tree and for the same one.
 */
export const consistencyProof = (tiles: Tiles, from: number, size: number): Promise<Buffer[]> =>
  hashesOf(tiles, from === 0 ? [] : consistencyRanges(from, { start: 0, end: size }, true));

function inclusionRanges(leaf: number, range: Range): Range[] {
  if (range.end - range.start === 1) return [];
  const [left, right] = halves(range);
  return leaf < left.end ? [...inclusionRanges(leaf, left), right] : [...inclusionRanges(leaf, right), left];
}

/** `from` is the end of the earlier tree; `isWhole`: the range is a subtree which that tree has too. */
function consistencyRanges(from: number, range: Range, isWhole: boolean): Range[] {
  if (from === range.end) return isWhole ? [] : [range];
  const [left, right] = halves(range);
  return from <= left.end
    ? [...consistencyRanges(from, left, isWhole), right]
    : [...consistencyRanges(from, right, false), left];
}

/** Returns the two parts of a tree: the left one is the largest perfect tree smaller than the whole. */
function halves({ start, end }: Range): [Range, Range] {
  let half = 1;
  while (2 * half < end - start) half *= 2;
  return [
    { start, end: start + half },
    { start: start + half, end },
  ];
}

async function hashesOf(tiles: Tiles, ranges: readonly Range[]): Promise<Buffer[]> {
  const read = new Map<string, Promise<readonly Buffer[]>>();
  const cached: Tiles = {
    tile: (level, index) => read.getOrInsertComputed(`${level}/${index}`, () => tiles.tile(level, index)),
  };
  return Promise.all(ranges.map((range) => rootOfRange(cached, range)));
}

async function rootOfRange(tiles: Tiles, range: Range): Promise<Buffer> {
  const width = range.end - range.start;
  const height = Math.round(Math.log2(width));
  if (2 ** height === width) return perfectRoot(tiles, height, range.start / width);
  const [left, right] = halves(range);
  return nodeHash(await rootOfRange(tiles, left), await rootOfRange(tiles, right));
}

async function perfectRoot(tiles: Tiles, height: number, place: number): Promise<Buffer> {
  const level = Math.floor(height / TILE_HEIGHT);
  const width = 2 ** (height % TILE_HEIGHT);
  const hashes = await tiles.tile(level, Math.floor((place * width) / TILE_WIDTH));
  const start = (place * width) % TILE_WIDTH;
  return rootOfPerfect(hashes.slice(start, start + width));
}
