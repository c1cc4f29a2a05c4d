import { stat } from 'node:fs/promises';

export interface PollFileOptions<T> {
  readonly files: readonly string[];
  readonly pollMs: number;
  /** Returns what the files say. What it throws is the trouble until the files are good. */
  readonly load: () => Promise<T>;
  /** The files can't be used: once for each distinct problem. What was loaded before stays in use. */
  readonly onTrouble: (error: Error) => void;
  /** After a change of the files was loaded. */
  readonly onReload: (now: T, before: T) => void;
  /** Loads a change only once the files were the same at two polls, for files that are replaced one after the other. */
  readonly waitsForSettled?: boolean;
}

/** Files that are loaded again when they change. */
export interface PolledFile<T> {
  /** What the files said when they were last good. */
  current(): T;
  /** Why the files as they are now can't be used; undefined when what is loaded is what they say. */
  trouble(): string | undefined;
  /** When the files were last known to be as loaded, by `performance.now()`. */
  confirmedAt(): number;
  close(): Promise<void>;
}

/**
 * Loads files now and again whenever they change. Polled rather than watched: editors, renewals and Kubernetes' config maps replace
 * files and links, and a watch is lost with the file that it watched.
 *
 * @throws what `load` threw the first time
 */
export async function pollFile<T>(options: PollFileOptions<T>): Promise<PolledFile<T>> {
  const { files, pollMs, load, onTrouble, onReload, waitsForSettled = false } = options;
  let loaded = await stampOf(files).catch(() => ''); // `load` says what is wrong
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
    if (stamp === loaded) return confirm(); // a good version, perhaps put back
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

/** Changes whenever one of the files is replaced or written. @throws what looking at them threw */
async function stampOf(files: readonly string[]): Promise<string> {
  const stats = await Promise.all(files.map((file) => stat(file)));
  return stats.map(({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`).join(', ');
}
