import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, existsSync, type WriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { ConfigError } from '../../config/load-config.ts';

/** What is in the way of a file that is not to be replaced. @throws ConfigError */
export function assertMayWrite(path: string, isForced: boolean): void {
  if (!isForced && existsSync(path)) throw new ConfigError(`${path} is there already; --force replaces it`);
}

/**
 * Writes a file whole or not at all, `write` ending what it is given: under another name in the same folder, on the disk before it gets its own. Readable by its owner
 * alone. What `write` throws leaves nothing behind.
 */
export async function writeWhole(
  path: string,
  isForced: boolean,
  write: (sink: Writable) => Promise<void>,
): Promise<void> {
  assertMayWrite(path, isForced);
  const part = join(dirname(path), `.${basename(path)}.${randomUUID()}.part`);
  const sink = createWriteStream(part, { flags: 'wx', mode: 0o600, flush: true });
  await once(sink, 'open');
  try {
    await write(sink);
    await closed(sink);
    assertMayWrite(path, isForced);
    await rename(part, path);
  } catch (error) {
    await closed(sink.destroy());
    await rm(part, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function closed(sink: WriteStream): Promise<void> {
  if (!sink.closed) await once(sink, 'close');
}

/** So that the new name outlives a power cut. Windows has no such thing. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
