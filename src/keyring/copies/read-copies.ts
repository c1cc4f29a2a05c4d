import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreGone } from '../../lib/gone-files.ts';
import { type LinedKey, parseKeyLine } from '../key-line.ts';
import { linesOf } from './lines-of.ts';

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
  for await (const { bytes } of linesOf(file)) yield bytes && parseKeyLine(bytes.toString('utf8'));
}
