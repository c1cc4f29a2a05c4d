const TILE_WIDTH = 256;
const DIGITS = 1_000;

/**
 * Returns the address of the tile of entries that has an entry, below the log's path, as C2SP
 * tlog-tiles writes it; the last tile of a log of this size may have fewer entries.
 */
export function entriesPath(sequence: number, size: number): string {
  const tile = Math.floor(sequence / TILE_WIDTH);
  const width = Math.min(TILE_WIDTH, size - tile * TILE_WIDTH);
  const groups: string[] = [];
  for (let rest = tile; rest > 0 || groups.length === 0; rest = Math.floor(rest / DIGITS)) {
    groups.unshift(String(rest % DIGITS).padStart(3, '0'));
  }
  const path = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `/log/entries/${path}${width < TILE_WIDTH ? `.p/${width}` : ''}`;
}

/** Returns the line of an entry in its tile. */
export const entryIn = (lines: string, sequence: number): string | undefined =>
  lines.split('\n')[sequence % TILE_WIDTH];

/** Returns the number that a text is, if the log has an entry or a beginning of this number. */
export function numberIn(text: string, least: number, most: number): number | undefined {
  const value = /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : undefined;
}
