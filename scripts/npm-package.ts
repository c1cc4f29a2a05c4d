import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import * as z from 'zod';

const ROOT = join(import.meta.dirname, '..');
/** Members of package.json that describe the package; the others are for its development. */
const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  keywords: z.array(z.string()),
  license: z.string(),
  type: z.string(),
  files: z.array(z.string()),
  bin: z.record(z.string(), z.string()),
  exports: z.record(z.string(), z.string()),
  engines: z.object({ node: z.string() }),
  publishConfig: z.looseObject({}),
  dependencies: z.record(z.string(), z.string()),
});

/** What the package cannot be without; `npm ci` alone builds the pages and not the service. */
const BUILT = ['dist/main.js', 'dist/console/index.html', 'dist/docs/index.html'];

/**
 * Packs what `npm run build` made into a tarball in a directory and returns the tarball's path.
 * The package's manifest has no scripts and no repackaged Node, which `npx` would put in front of
 * the official one in PATH.
 */
export function packNpm(directory: string): string {
  const absent = BUILT.find((path) => !existsSync(join(ROOT, path)));
  if (absent !== undefined) throw new Error(`${absent} is not there: run \`npm run build\` first`);
  const stage = mkdtempSync(join(tmpdir(), 'npm-package-'));
  try {
    const manifest = Manifest.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));
    for (const path of ['LICENSE', ...manifest.files]) copy(path, join(stage, path));
    cpSync(join(ROOT, 'docs', 'npm-readme.md'), join(stage, 'README.md'));
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
    mkdirSync(directory, { recursive: true });
    const printed = execFileSync('npm', ['pack', '--silent', '--pack-destination', resolve(directory)], {
      cwd: stage,
      encoding: 'utf8',
    });
    return join(resolve(directory), printed.trim());
  } finally {
    rmSync(stage, { recursive: true });
  }
}

/** Copies a member of `files`, without source maps. */
function copy(path: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(ROOT, path), target, { recursive: true, filter: (name) => !basename(name).endsWith('.map') });
}

if (import.meta.main) process.stdout.write(`${packNpm(process.argv[2] ?? 'dist')}\n`);
