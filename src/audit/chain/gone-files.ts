import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Whether the system says that there is no such file. */
const isGone = (error: unknown): boolean => Error.isError(error) && 'code' in error && error.code === 'ENOENT';

/**
 * For a file that another process, or its retention, may have taken away meanwhile. Whatever else hides it is thrown on: records must not go
 * missing in silence.
 */
export function ignoreGone(error: unknown): undefined {
  if (!isGone(error)) throw error;
}

/** What is known of a file; undefined where it is gone. @throws the system's error where anything else hides it */
export const statIfThere = (path: string): Promise<Stats | undefined> => stat(path).catch(ignoreGone);
