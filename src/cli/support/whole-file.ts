import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, lstatSync, realpathSync, rmSync, type Stats, statSync, type WriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { ConfigError } from '../../config/load-config.ts';
import { ignoreGone } from '../../lib/gone-files.ts';
import type { CommandIo } from './command.ts';

/** The system's codes for a folder that cannot be synced at all. */
const CANNOT_SYNC: ReadonlySet<unknown> = new Set(['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP']);

/** The target of the output. */
interface Destination {
  /** Behind symbolic links, so that a link stays one. */
  readonly path: string;
  /** A device or a FIFO: it is written to, never replaced. */
  readonly isStream: boolean;
}

/**
 * Returns the destination.
 * @throws ConfigError for an existing target that must not be replaced
 */
export function destinationOf(path: string, isForced: boolean): Destination {
  const found = statIf(path, lstatSync);
  if (!found) {
    if (!statIf(dirname(path), statSync))
      throw new ConfigError(`There is no folder ${dirname(path)}: name another file`);
    return { path, isStream: false };
  }
  const target = found.isSymbolicLink() ? statIf(path, statSync) : found;
  if (!target)
    throw new ConfigError(`${path} is a link to a file that does not exist: remove the link, or use another file`);
  if (target.isFIFO() || target.isCharacterDevice()) return { path, isStream: true };
  if (!target.isFile()) throw new ConfigError(`${path} is not a file: use another`);
  if (!isForced) throw new ConfigError(`${path} exists; --force replaces it`);
  return { path: realpathSync(path), isStream: false };
}

function statIf(path: string, stat: (path: string) => Stats): Stats | undefined {
  try {
    return stat(path);
  } catch (error) {
    return ignoreGone(error);
  }
}

/**
 * Writes a file completely or not at all. `write` must end its stream. The data goes to another
 * name in the same folder and is synced before the rename. Only the owner can read the file. No
 * partial file remains when `write` throws or the process exits.
 */
export async function writeWhole(
  wanted: string,
  isForced: boolean,
  io: Pick<CommandIo, 'onExit'>,
  write: (sink: Writable) => Promise<void>,
): Promise<void> {
  const { path, isStream } = destinationOf(wanted, isForced);
  if (isStream) return writeThrough(path, write);
  const part = join(dirname(path), `.${basename(path)}.${randomUUID()}.part`);
  const keep = io.onExit(() => rmSync(part, { force: true }));
  const sink = createWriteStream(part, { flags: 'wx', mode: 0o600, flush: true });
  try {
    await once(sink, 'open');
    await write(sink);
    await closed(sink);
    destinationOf(path, isForced);
    await rename(part, path);
  } catch (error) {
    await closed(sink.destroy());
    await rm(part, { force: true });
    throw error;
  } finally {
    keep();
  }
  await syncFolder(dirname(path));
}

async function writeThrough(path: string, write: (sink: Writable) => Promise<void>): Promise<void> {
  const sink = createWriteStream(path, { flags: 'r+' });
  try {
    await once(sink, 'open');
    await write(sink);
  } finally {
    sink.destroy();
  }
}

async function closed(sink: WriteStream): Promise<void> {
  if (!sink.closed) await once(sink, 'close');
}

/**
 * Makes the new name survive a power cut. Windows, and some file systems, cannot sync a folder.
 * @throws the system's error if the disk failed
 */
async function syncFolder(path: string): Promise<void> {
  try {
    await using folder = await open(path, 'r');
    await folder.sync();
  } catch (error) {
    if (!Error.isError(error) || !('code' in error) || !CANNOT_SYNC.has(error.code)) throw error;
  }
}
