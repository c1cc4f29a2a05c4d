import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Returns whether the system reports that the file does not exist. */
const isGone = (error: unknown): boolean => Error.isError(error) && 'code' in error && error.code === 'ENOENT';

/**
 * Handles the failure of a file that another process may have removed since it was listed. Any
 * other failure is thrown: records must not go missing in silence.
 */
export function ignoreGone(error: unknown): undefined {
  if (!isGone(error)) throw error;
}

/**
 * Returns the facts of a file; undefined if it does not exist.
 * @throws the system's error for any other failure
 */
export const statIfThere = (path: string): Promise<Stats | undefined> => stat(path).catch(ignoreGone);
