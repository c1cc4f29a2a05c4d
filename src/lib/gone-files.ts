import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Returns whether the system reports that the file does not exist. */
export const isGone = (error: unknown): boolean => Error.isError(error) && 'code' in error && error.code === 'ENOENT';

/**
 * Handles the failure to find a file that need not exist, or that another process may have removed.
 * Any other failure is thrown: an unreadable file must not count as absent.
 */
export function ignoreGone(error: unknown): undefined {
  if (!isGone(error)) throw error;
}

/**
 * Returns the facts of a file; undefined if it does not exist.
 * @throws the system's error for any other failure
 */
export const statIfThere = (path: string): Promise<Stats | undefined> => stat(path).catch(ignoreGone);
