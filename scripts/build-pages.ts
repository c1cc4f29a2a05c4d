import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { gzipSync } from 'node:zlib';
import { build, type Plugin } from 'vite';
import { parse } from 'yaml';
import type { Contract } from '../console/reference/src/contract.ts';
import { plainList } from '../console/reference/src/plain-list.ts';
import { THEME_CSS } from '../src/http/pages/theme.ts';
import { bundledPackages } from './production-packages.ts';

const ROOT = join(import.meta.dirname, '..');
/** What a browser loads before it shows the first page, compressed. */
const MAX_FIRST_PAGE_BYTES = 350_000;

interface Page {
  readonly name: string;
  readonly root: string;
  /** The address of the built files: a path, or relative to index.html. */
  readonly base: '/console/' | './';
  /** A module that is loaded later, but belongs to the first page. */
  readonly firstPage?: string;
}

const PAGES: readonly Page[] = [
  { name: 'console', root: 'console', base: '/console/', firstPage: '/overview-page.tsx' },
  { name: 'docs', root: 'console/reference', base: './' },
];

/** Puts the variables of all pages in front of the shared style sheet. */
const theme: Plugin = {
  name: 'theme',
  enforce: 'pre',
  transform: (code, id) => (id.endsWith('/console.css') ? `${THEME_CSS}${code}` : undefined),
};

/**
 * Gives the API reference the contract, and a list of the operations for browsers without
 * JavaScript. The page is at `/docs` without a slash, so its files are below `docs/`.
 */
const reference: Plugin = {
  name: 'reference',
  transform: (code, id) =>
    id.endsWith('/openapi.yaml') ? { code: `export default ${JSON.stringify(parse(code))};`, map: null } : undefined,
  transformIndexHtml: (page, { path }) =>
    path.endsWith('/index.html') && page.includes('<!-- operations -->')
      ? page.replace('<!-- operations -->', plainList(readContract()))
      : page,
};

for (const page of PAGES) await buildPage(page);

async function buildPage(page: Page): Promise<void> {
  const output = join(ROOT, 'dist', page.name);
  const result = await build({
    configFile: false,
    root: join(ROOT, page.root),
    base: page.base,
    logLevel: 'error',
    plugins: [theme, reference],
    ...(page.base === './' && {
      experimental: {
        renderBuiltUrl: (file, { hostType }) => (hostType === 'html' ? `${page.name}/${file}` : { relative: true }),
      },
    }),
    build: {
      outDir: output,
      emptyOutDir: true,
      target: 'baseline-widely-available',
      assetsInlineLimit: 0, // the CSP allows no data: but for images
      modulePreload: { polyfill: false },
      license: { fileName: 'licences.md' },
    },
  });
  if (!('output' in result)) throw new Error('Vite built something else than one bundle');
  const firstPage = bytesOfFirstPage(result.output, output, page.firstPage);
  const foreign = packagesIn(result.output).filter((name) => !bundledPackages().some((known) => known.name === name));
  const faults = [
    ...(firstPage > MAX_FIRST_PAGE_BYTES
      ? [`the first page has ${firstPage} bytes, over ${MAX_FIRST_PAGE_BYTES}`]
      : []),
    ...foreign.map((name) => `${name} is in the bundle and not in docs/licences.md: name it in BUNDLED`),
  ];
  process.stdout.write(`${page.name}: first page ${Math.round(firstPage / 1_000)} kB compressed\n`);
  if (faults.length > 0) {
    process.stderr.write(faults.map((fault) => `${page.name}: ${fault}\n`).join(''));
    process.exitCode = 1;
  }
}

type Output = Extract<Awaited<ReturnType<typeof build>>, { readonly output: unknown }>['output'];

/** Returns the compressed size of index.html, its style, the entry, `firstPage` and their chunks. */
function bytesOfFirstPage(output: Output, folder: string, firstPage: string | undefined): number {
  const chunks = output.filter((file) => file.type === 'chunk');
  const wanted = new Set<string>();
  const take = (fileName: string): void => {
    if (wanted.has(fileName)) return;
    wanted.add(fileName);
    for (const imported of chunks.find((chunk) => chunk.fileName === fileName)?.imports ?? []) take(imported);
  };
  for (const { isEntry, facadeModuleId, fileName } of chunks) {
    if (isEntry || (firstPage !== undefined && facadeModuleId?.endsWith(firstPage))) take(fileName);
  }
  const files = output.filter(({ fileName }) => wanted.has(fileName) || /\.(css|html)$/.test(fileName));
  return files.reduce((sum, { fileName }) => sum + gzipSync(readFileSync(join(folder, fileName))).length, 0);
}

/** Returns the names of the packages that have a module in the bundle. */
function packagesIn(output: Output): readonly string[] {
  const modules = output.flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []));
  const names = modules.map((module) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(module)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

function readContract(): Contract {
  return parse(readFileSync(join(ROOT, 'openapi.yaml'), 'utf8')) as Contract;
}
