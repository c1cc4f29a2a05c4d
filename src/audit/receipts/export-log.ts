import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type LogReader, tilesOfTenant } from './log-reader.ts';
import { tilePath, tilesOf } from './tile-path.ts';
import { TILE_WIDTH } from './tree.ts';

/** The files of an export besides its tiles, which have the paths of C2SP tlog-tiles. */
export const CHECKPOINT_FILE = 'checkpoint';
/** One line for each entry of the log; empty when its record is past its retention. */
export const ENTRIES_FILE = 'entries.ndjson';

const LINES_AT_ONCE = 4 * TILE_WIDTH;

/** The folder has files already. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
}

/**
 * Writes a tenant's log to an empty folder, as far as its last checkpoint reaches. Returns the
 * number of entries; undefined when there is no checkpoint.
 * @throws FolderInUseError; the system's error; ServiceError `registry-unavailable`; the signal's
 * reason
 */
export async function exportLog(
  log: LogReader,
  tenantId: string,
  folder: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const signed = await log.signed(tenantId);
  if (!signed) return undefined;
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new FolderInUseError(`${folder} is not empty`);
  const tiles = tilesOfTenant(log, tenantId);
  for (let level = 0; TILE_WIDTH ** level <= signed.size; level += 1) {
    for (const place of tilesOf(level, signed.size)) {
      signal.throwIfAborted();
      const hashes = await tiles.tile(level, place.index);
      const path = join(folder, 'tile', String(level), tilePath(place));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, Buffer.concat(hashes.slice(0, place.width)));
    }
  }
  const file = await open(join(folder, ENTRIES_FILE), 'wx');
  try {
    for (let from = 0; from < signed.size; from += LINES_AT_ONCE) {
      signal.throwIfAborted();
      const lines = await log.lines(tenantId, from, Math.min(from + LINES_AT_ONCE, signed.size));
      await file.write(lines.map((line = '') => `${line}\n`).join(''));
    }
  } finally {
    await file.close();
  }
  await writeFile(join(folder, CHECKPOINT_FILE), signed.checkpoint);
  return signed.size;
}
