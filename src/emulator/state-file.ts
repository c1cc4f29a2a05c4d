import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { State } from './state.ts';

const SAVE_DELAY_MS = 50;

/**
 * Keeps a state in a file. A burst of changes becomes one write, and readers never see a partial
 * write.
 */
export interface StateFile {
  changed(state: State): void;
  flush(): Promise<void>;
}

export async function readStateFile(path: string): Promise<State | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  return parse(text, path);
}

function parse(text: string, path: string): State {
  let state: { formatVersion?: unknown } | null;
  try {
    state = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not the emulator's state; move it away to start afresh`, { cause: error });
  }
  if (state?.formatVersion !== 1) {
    throw new Error(`${path} was written by another version of the emulator; move it away to start afresh`);
  }
  // Only the emulator writes this file, always as a whole.
  return state as State;
}

export const memoryOnly: StateFile = { changed: () => undefined, flush: async () => undefined };

export function openStateFile(path: string): StateFile {
  let timer: NodeJS.Timeout | undefined;
  let pending: State | undefined;
  let writing = Promise.resolve();

  const save = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const state = pending;
    pending = undefined;
    if (state === undefined) return writing;
    const text = JSON.stringify(state);
    // A failed write must not stop the next one; the flush reports the failure.
    writing = writing.catch(() => undefined).then(() => replaceFile(path, text));
    return writing;
  };

  return {
    changed(state) {
      pending = state;
      timer ??= setTimeout(() => {
        // A failed write is retried with the next change, or by the flush, which reports it.
        save().catch(() => {
          pending ??= state;
        });
      }, SAVE_DELAY_MS);
    },
    flush: save,
  };
}

async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
