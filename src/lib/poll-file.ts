import { stat } from 'node:fs/promises';

export interface PollFileOptions<T> {
  readonly files: readonly string[];
  readonly pollMs: number;
  /** Returns the files' content. Its error is the problem until the files are valid. */
  readonly load: () => Promise<T>;
  /** Called once for each distinct problem of the files. The last valid content stays in use. */
  readonly onTrouble: (error: Error) => void;
  /** Called after changed files were loaded. */
  readonly onReload: (now: T, before: T) => void;
  /**
   * Loads a change only once the files were the same at two polls, for files that are replaced one
   * after the other.
   */
  readonly waitsForSettled?: boolean;
}

/** Files that are loaded again when they change. */
export interface PolledFile<T> {
  /** Returns the files' last valid content. */
  current(): T;
  /** Returns the problem of the files; undefined when the loaded content is current. */
  trouble(): string | undefined;
  /**
   * Returns the last time at which the loaded content was known to be current, by
   * `performance.now()`.
   */
  confirmedAt(): number;
  close(): Promise<void>;
}

/**
 * Loads files now and again whenever they change. Files are polled rather than watched: editors,
 * renewals and Kubernetes' config maps replace files and links, and a watch is lost with its file.
 * @throws the first error of `load`
 */
export async function pollFile<T>(options: PollFileOptions<T>): Promise<PolledFile<T>> {
  const { files, pollMs, load, onTrouble, onReload, waitsForSettled = false } = options;
  let loaded = await stampOf(files).catch(() => ''); // `load` reports the problem
  let current = await load();
  let confirmedAt = performance.now();
  let seen = loaded;
  let trouble: string | undefined;
  let polling: Promise<void> | undefined;

  const confirm = () => {
    trouble = undefined;
    confirmedAt = performance.now();
  };
  const reloadIfChanged = async () => {
    const stamp = await stampOf(files);
    const isSettled = stamp === seen || !waitsForSettled;
    seen = stamp;
    if (stamp === loaded) return confirm(); // a valid version, perhaps restored
    if (!isSettled) return;
    const before = current;
    current = await load();
    loaded = stamp;
    confirm();
    onReload(current, before);
  };
  const poll = async () => {
    try {
      await reloadIfChanged();
    } catch (error) {
      if (!Error.isError(error)) throw error;
      if (trouble === error.message) return;
      trouble = error.message;
      onTrouble(error);
    }
  };
  const timer = setInterval(() => {
    polling ??= poll().finally(() => {
      polling = undefined;
    });
  }, pollMs).unref();
  return {
    current: () => current,
    trouble: () => trouble,
    confirmedAt: () => confirmedAt,
    close: async () => {
      clearInterval(timer);
      await polling;
    },
  };
}

/**
 * Returns a stamp that changes whenever one of the files is replaced or written.
 * @throws the error of reading their metadata
 */
async function stampOf(files: readonly string[]): Promise<string> {
  const stats = await Promise.all(files.map((file) => stat(file)));
  return stats.map(({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`).join(', ');
}
