import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file of the built console. */
export interface ConsoleFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** Absent if the file is already compressed. */
  readonly gzipped?: Buffer;
  /** The name has a hash of the content, so the content never changes. */
  readonly isImmutable: boolean;
}

/** The files by their path below the console's folder, with slashes. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

export const PAGE = 'index.html';
const HASHED = /^assets\/[\w.-]+-[\w-]{8}\.\w+$/;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};
const COMPRESSED: ReadonlySet<string> = new Set(['.png', '.woff2']);

/**
 * Reads the files into memory, so that no path of a request ever reaches the disk. Returns
 * undefined if the console was not built.
 */
export async function readConsoleFiles(directory: string): Promise<ConsoleFiles | undefined> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(ignoreAbsent);
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const files = await Promise.all(
    paths.flatMap((path) => {
      const type = TYPES[extname(path)];
      return type === undefined ? [] : [read(directory, path, type)];
    }),
  );
  const byName = new Map(files);
  return byName.has(PAGE) ? byName : undefined;
}

async function read(directory: string, path: string, type: string): Promise<[string, ConsoleFile]> {
  const name = relative(directory, path).split(sep).join('/');
  const bytes = await readFile(path);
  const isImmutable = HASHED.test(name);
  if (COMPRESSED.has(extname(path))) return [name, { type, bytes, isImmutable }];
  return [name, { type, bytes, gzipped: await promisify(gzip)(bytes, { level: 9 }), isImmutable }];
}

function ignoreAbsent(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
  throw error;
}
