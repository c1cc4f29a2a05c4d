import { listChainFiles } from '../chain/chain-files.ts';
import type { FileSink } from '../chain/file-sink.ts';
import { DAY_MS, dayOf } from '../days.ts';
import { removeFiles } from './remove-files.ts';

export interface OldFilesOptions {
  readonly directory: string;
  /** Receives a record of each removal. */
  readonly sink: Pick<FileSink, 'position' | 'recordRemoval'>;
  readonly days: number;
}

/**
 * Removes files whose last record is older than `days` and returns their names. The newest days
 * that have files stay, one more than `days`, whatever the clock shows.
 * @throws as removeFiles
 */
export async function removeOldFiles({ directory, sink, days }: OldFilesOptions, now: number): Promise<string[]> {
  const starts = (await listChainFiles(directory)).map(({ startsAt }) => dayOf(startsAt));
  const [firstKept] = newestDays(starts, dayOf(now), days + 1);
  if (firstKept === undefined) return [];
  const olderThan = Math.min(now - days * DAY_MS, firstKept * DAY_MS);
  const mayGo = (_file: unknown, lastAt = 0) => lastAt < olderThan;
  return removeFiles({ directory, sink, cause: 'retention', olderThan, mayGo });
}

/** Returns the time at which the newest file of the other chains begins. */
export async function newestOtherFile(directory: string, chain: string): Promise<number | undefined> {
  const others = (await listChainFiles(directory)).filter((file) => file.chain !== chain);
  return others.at(-1)?.startsAt;
}

/**
 * Returns the newest `count` different days up to today, the oldest of them first; none if there
 * are fewer.
 */
function newestDays(days: readonly number[], today: number, count: number): readonly number[] {
  const past = [...new Set(days)].filter((day) => day <= today).sort((a, b) => a - b);
  return past.length < count ? [] : past.slice(-count);
}
