import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { keyLine, type LinedKey, parseKeyLine } from '../key-line.ts';

const NEWLINE = 0x0a;
const MAX_LINE_BYTES = 16_384;

/** A line of a file, by its place. */
interface Place {
  readonly at: number;
  readonly bytes: Buffer;
}

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
  for await (const { at, bytes } of linesOf(file)) {
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

/** Returns the complete lines of a file; a longer line than any key's is skipped. */
async function* linesOf(file: string): AsyncGenerator<Place> {
  let rest = Buffer.alloc(0);
  let at = 0;
  for await (const piece of createReadStream(file)) {
    rest = Buffer.concat([rest, piece as Buffer]);
    let end = rest.indexOf(NEWLINE);
    while (end >= 0) {
      if (end <= MAX_LINE_BYTES) yield { at, bytes: rest.subarray(0, end) };
      rest = rest.subarray(end + 1);
      at += end + 1;
      end = rest.indexOf(NEWLINE);
    }
  }
}
