import type { FileSink } from '../chain/file-sink.ts';
import { DAY_MS } from '../days.ts';
import { removeFiles } from './remove-files.ts';

export interface RetentionOptions {
  readonly directory: string;
  /** Takes the notes of what goes. */
  readonly sink: FileSink;
  readonly days: number;
}

/** Files go when their last record is older than so many days. @throws as removeFiles */
export function removeOldFiles({ directory, sink, days }: RetentionOptions, now: number): Promise<string[]> {
  const olderThan = now - days * DAY_MS;
  const mayGo = (_file: unknown, lastAt = 0) => lastAt < olderThan;
  return removeFiles({ directory, sink, cause: 'retention', olderThan, mayGo });
}
