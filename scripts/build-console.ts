import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { bundledPackages } from './production-packages.ts';

const ROOT = join(import.meta.dirname, '..');
const OUTPUT = join(ROOT, 'dist', 'console');
/** What a browser loads before it shows the first page, compressed. */
const MAX_FIRST_PAGE_BYTES = 350_000;

const result = await build({
  configFile: false,
  root: join(ROOT, 'console'),
  base: '/console/',
  logLevel: 'error',
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    target: 'baseline-widely-available',
    assetsInlineLimit: 0, // the CSP allows no data: but for images
    modulePreload: { polyfill: false },
    license: { fileName: 'licences.md' },
  },
});

type Output = Extract<Awaited<ReturnType<typeof build>>, { readonly output: unknown }>['output'];
if (!('output' in result)) throw new Error('Vite built something else than one bundle');
const firstPage = bytesOfFirstPage(result.output);
const foreign = packagesIn(result.output).filter((name) => !bundledPackages().some((known) => known.name === name));
const faults = [
  ...(firstPage > MAX_FIRST_PAGE_BYTES ? [`the first page has ${firstPage} bytes, over ${MAX_FIRST_PAGE_BYTES}`] : []),
  ...foreign.map((name) => `${name} is in the bundle and not in docs/licences.md: name it in BUNDLED`),
];
process.stdout.write(`console: first page ${Math.round(firstPage / 1_000)} kB compressed\n`);
if (faults.length > 0) {
  process.stderr.write(faults.map((fault) => `console: ${fault}\n`).join(''));
  process.exitCode = 1;
}

/** Returns the compressed size of index.html, its style, the entry, the overview and their chunks. */
function bytesOfFirstPage(output: Output): number {
  const chunks = output.filter((file) => file.type === 'chunk');
  const wanted = new Set<string>();
  const take = (fileName: string): void => {
    if (wanted.has(fileName)) return;
    wanted.add(fileName);
    for (const imported of chunks.find((chunk) => chunk.fileName === fileName)?.imports ?? []) take(imported);
  };
  for (const { isEntry, facadeModuleId, fileName } of chunks) {
    if (isEntry || facadeModuleId?.endsWith('/overview-page.tsx')) take(fileName);
  }
  const files = output.filter(({ fileName }) => wanted.has(fileName) || /\.(css|html)$/.test(fileName));
  return files.reduce((sum, { fileName }) => sum + gzipSync(readFileSync(join(OUTPUT, fileName))).length, 0);
}

/** Returns the names of the packages that have a module in the bundle. */
function packagesIn(output: Output): readonly string[] {
  const modules = output.flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []));
  const names = modules.map((module) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(module)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}
