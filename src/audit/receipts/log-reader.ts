import type { Tiles } from './proofs.ts';
import { TILE_WIDTH } from './tree.ts';

/**
 * Reads the transparency logs. Every method rejects with ServiceError `registry-unavailable` while
 * the database is unreachable.
 */
export interface LogReader {
  /** Returns a log's last checkpoint and its size; undefined before the first. */
  signed(tenantId: string): Promise<{ readonly checkpoint: string; readonly size: number } | undefined>;
  /** Returns hashes of leaves from a number to before another, as many as there are. */
  leaves(tenantId: string, from: number, to: number): Promise<readonly Buffer[]>;
  /** Returns roots of full tiles of a level, likewise. */
  subtrees(tenantId: string, level: number, from: number, to: number): Promise<readonly Buffer[]>;
  /** Returns the lines of entries; undefined for a record that is past its retention. */
  lines(tenantId: string, from: number, to: number): Promise<readonly (string | undefined)[]>;
}

/** Returns the hashes of one tenant's log by tile. */
export const tilesOfTenant = (reader: Pick<LogReader, 'leaves' | 'subtrees'>, tenantId: string): Tiles => ({
  tile: (level, index) => {
    const [from, to] = [index * TILE_WIDTH, (index + 1) * TILE_WIDTH];
    return level === 0 ? reader.leaves(tenantId, from, to) : reader.subtrees(tenantId, level - 1, from, to);
  },
});
