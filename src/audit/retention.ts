import type { FileSink } from './file-sink.ts';
import { removeFiles } from './remove-files.ts';

export interface RetentionOptions {
  readonly directory: string;
  readonly sink: FileSink;
  readonly days: number;
  readonly onRemoved: (files: readonly string[]) => void;
  readonly onFailure: (error: unknown) => void;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** Files go when their last record is older than so many days. */
export function removeOldFiles(
  { directory, sink, days }: Pick<RetentionOptions, 'directory' | 'sink' | 'days'>,
  now: number,
): Promise<string[]> {
  const olderThan = now - days * DAY_MS;
  const mayGo = (_file: unknown, lastAt = 0) => lastAt < olderThan;
  return removeFiles({ directory, sink, cause: 'retention', olderThan, mayGo });
}

/** Removes old files now and every hour. */
export function startRetention(options: RetentionOptions): { close(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  const run = () => {
    running = removeOldFiles(options, Date.now()).then((files) => {
      if (files.length > 0) options.onRemoved(files);
    }, options.onFailure);
  };
  run();
  const timer = setInterval(run, HOUR_MS).unref();
  return {
    close: () => {
      clearInterval(timer);
      return running;
    },
  };
}
