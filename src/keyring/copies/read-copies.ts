import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ignoreGone } from '../../lib/gone-files.ts';
import { type LinedKey, parseKeyLine } from '../key-line.ts';

const FILE = /^branch-keys-[0-9TZ]+-[0-9a-z]+\.ndjson$/;

/** Returns the paths of the files of copies, newest first; none for a folder that does not exist. */
export async function copyFiles(directory: string): Promise<string[]> {
  const names = (await readdir(directory).catch(ignoreGone)) ?? [];
  return names
    .filter((name) => FILE.test(name))
    .sort()
    .reverse()
    .map((name) => join(directory, name));
}

/**
 * Returns the keys of a file line by line; undefined for a damaged line, such as the last one of a
 * process that was killed while it wrote.
 */
export async function* readCopies(file: string): AsyncGenerator<LinedKey | undefined> {
  const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) if (line !== '') yield parseKeyLine(line);
}
