import { TILE_WIDTH } from './tree.ts';

/** A tile, or the first part of one, by its number within its level. */
export interface TilePlace {
  readonly index: number;
  /** Number of hashes or entries: 256, or fewer in a partial tile. */
  readonly width: number;
}

const PATH = /^((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Returns the place in a path of C2SP tlog-tiles, such as `x001/234` or `067.p/12`; undefined for any other text. */
export function parseTilePath(path: string): TilePlace | undefined {
  const [, digits = '', part] = PATH.exec(path) ?? [];
  if (digits === '') return undefined;
  const index = Number(digits.replace(/[x/]/g, ''));
  const place = { index, width: part === undefined ? TILE_WIDTH : Number(part) };
  return place.width <= TILE_WIDTH && tilePath(place) === path ? place : undefined; // no leading x000, no .p/256
}

export function tilePath({ index, width }: TilePlace): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  const path = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

/** Returns the tiles of one level in a log of `size` entries, the partial last one included. */
export function tilesOf(level: number, size: number): TilePlace[] {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  const full = Math.floor(hashes / TILE_WIDTH);
  const tiles = Array.from({ length: full }, (_, index) => ({ index, width: TILE_WIDTH }));
  const rest = hashes % TILE_WIDTH;
  return rest === 0 ? tiles : [...tiles, { index: full, width: rest }];
}
