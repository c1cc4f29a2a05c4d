import { open } from 'node:fs/promises';
import { keyLine, type LinedKey, parseKeyLine } from '../key-line.ts';
import { linesOf } from './lines-of.ts';

/**
 * Returns the number of lines of a file that contain one of the keys. With `isErasing` each of them
 * is overwritten in place by the line of a destroyed key, padded to its length. So a process may
 * append to the file meanwhile, and the key's bytes are overwritten and not only unlinked.
 */
export async function eraseCopies(
  file: string,
  isWanted: (key: LinedKey) => boolean,
  isErasing: boolean,
): Promise<number> {
  const found: { readonly at: number; readonly line: Buffer }[] = [];
  for await (const { at, bytes, isComplete } of linesOf(file)) {
    if (!bytes || !isComplete) continue;
    const key = parseKeyLine(bytes.toString('utf8'));
    if (key?.jwe === undefined || !isWanted(key)) continue;
    const { jwe: _jwe, ...destroyed } = key;
    found.push({ at, line: Buffer.from(keyLine(destroyed).padEnd(bytes.length, ' ')) });
  }
  if (!isErasing || found.length === 0) return found.length;
  await using handle = await open(file, 'r+');
  for (const { at, line } of found) await handle.write(line, 0, line.length, at);
  await handle.sync();
  return found.length;
}
