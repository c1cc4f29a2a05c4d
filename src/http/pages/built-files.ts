import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Request, Response } from 'express';

/** A file of a built page. */
export interface BuiltFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** Absent if the file is already compressed. */
  readonly gzipped?: Buffer;
  /** The name has a hash of the content, so the content never changes. */
  readonly isImmutable: boolean;
}

/** The files by their path below the page's folder, with slashes. */
export type BuiltFiles = ReadonlyMap<string, BuiltFile>;

export const PAGE = 'index.html';
const YEAR_SECONDS = 31_536_000;
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
 * Returns a function that reads the files of a folder at its first call and returns them. It
 * returns undefined while the page is not built, and reads again at the next call.
 */
export function builtFiles(directory: string): () => Promise<BuiltFiles | undefined> {
  let files: Promise<BuiltFiles | undefined> | undefined;
  const forget = (): undefined => {
    files = undefined;
  };
  return async () => {
    files ??= readBuiltFiles(directory);
    const found = await files.catch(forget);
    if (!found) forget(); // it may be built at any time
    return found;
  };
}

/** Answers with the file, compressed for a browser that accepts it. */
export function sendFile(req: Request, res: Response, { type, bytes, gzipped, isImmutable }: BuiltFile): void {
  res.setHeader('Cache-Control', isImmutable ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-store');
  res.setHeader('Content-Type', type);
  if (gzipped === undefined) {
    res.end(bytes);
    return;
  }
  res.setHeader('Vary', 'Accept-Encoding');
  const isGzip = req.acceptsEncodings('gzip') === 'gzip';
  if (isGzip) res.setHeader('Content-Encoding', 'gzip');
  const body = isGzip ? gzipped : bytes;
  res.setHeader('Content-Length', body.length);
  res.end(body); // Node leaves the body out of an answer to HEAD
}

/** Answers that a page is not built, and how to build it. */
export function sendNotBuilt(res: Response, what: string): void {
  res.status(503).setHeader('Cache-Control', 'no-store');
  res.type('text/plain').send(`${what} is not built: run \`npm run build\` in the folder of Vaultspan.\n`);
}

/**
 * Reads the files into memory, so that no path of a request ever reaches the disk. Returns
 * undefined if the page was not built.
 */
async function readBuiltFiles(directory: string): Promise<BuiltFiles | undefined> {
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

async function read(directory: string, path: string, type: string): Promise<[string, BuiltFile]> {
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
