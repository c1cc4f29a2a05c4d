import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { bundledPackages } from '../production-packages.ts';
import type { Image } from './image.ts';

/** What the image has under /app. */
const EXPECTED = ['LICENSE', 'dist', 'docs', 'native', 'node_modules', 'openapi.yaml', 'package.json'];
const TEXTS_OF_LICENCES = ['LICENSE', 'docs/licences.md', 'native/licences.txt', 'dist/console/licences.md', 'dist/docs/licences.md'];
const SBOM = 'dist/sbom.cdx.json';
const SECRET = /(?:^|\/)(?:\.env[^/]*|\.npmrc|\.git|[^/]+\.(?:pem|key|pfx|p12))$/;
/** Sources, tests and what belongs to a developer's machine. Packages may have their own. */
const UNWANTED = /(?:^|\/)(?:test|tests|bench|chaos|\.vaultspan|\.clients)\/|\.test\.\w+$|\.tsx?$/;

const Sbom = z.object({
  components: z.array(z.object({ name: z.string(), version: z.string(), purl: z.string().default('') })),
});
const Manifest = z.object({ name: z.string(), version: z.string() });

interface Entry {
  readonly path: string;
  readonly stat: ReturnType<typeof lstatSync>;
}

/** Returns what is wrong with an image's files, which are compared with those of its base image. */
export function faultsOfFiles(image: Image, base: string): readonly string[] {
  const app = join(image.root, 'app');
  const entries = entriesOf(app);
  const own = entries.map(({ path }) => path).filter((path) => !path.startsWith('node_modules/'));
  return [
    ...readdirSync(app).flatMap((name) => (EXPECTED.includes(name) ? [] : [`/app/${name}: not expected`])),
    ...EXPECTED.flatMap((name) => (existsSync(join(app, name)) ? [] : [`/app/${name} is missing`])),
    ...own.flatMap((path) => (SECRET.test(path) ? [`/app/${path}: may be a secret`] : [])),
    ...own.flatMap((path) => (UNWANTED.test(path) ? [`/app/${path}: does not belong into an image`] : [])),
    ...entries.flatMap(faultsOfEntry),
    ...TEXTS_OF_LICENCES.flatMap((path) => (hasText(join(app, path)) ? [] : [`/app/${path}: no licences`])),
    ...faultsOfSbom(app),
    ...changedOutside(image.root, base),
  ];
}

/** The service cannot change its own program, so every file is root's and nobody else may write. */
function faultsOfEntry({ path, stat }: Entry): readonly string[] {
  if (stat === undefined) return [];
  if (stat.uid !== 0 || stat.gid !== 0) return [`/app/${path}: owned by ${stat.uid}:${stat.gid} instead of root`];
  if (stat.isSymbolicLink()) return [];
  if ((stat.mode & 0o7022) !== 0) return [`/app/${path}: mode ${(stat.mode & 0o7777).toString(8)}`];
  return (stat.mode & 0o004) === 0 ? [`/app/${path}: the service cannot read it`] : [];
}

/** The SBOM and node_modules name the same packages. Those of the console are in its bundle. */
function faultsOfSbom(app: string): readonly string[] {
  if (!existsSync(join(app, SBOM))) return [`/app/${SBOM}: no SBOM`];
  const { components } = Sbom.parse(JSON.parse(readFileSync(join(app, SBOM), 'utf8')));
  const named = new Set(
    components.filter(({ purl }) => purl.startsWith('pkg:npm/')).map(({ name, version }) => `${name}@${version}`),
  );
  const installed = new Set(packagesIn(join(app, 'node_modules')));
  const bundled = new Set(bundledPackages().map(({ name, version }) => `${name}@${version}`));
  return [
    ...(components.some(({ purl }) => purl.startsWith('pkg:cargo/')) ? [] : ['the SBOM has no crate']),
    ...(installed.size > 20 ? [] : [`only ${installed.size} packages are installed`]),
    ...[...installed].flatMap((one) => (named.has(one) ? [] : [`${one} is installed, and not in the SBOM`])),
    ...[...named].flatMap((one) =>
      installed.has(one) || bundled.has(one) ? [] : [`${one} is in the SBOM, and not installed`],
    ),
  ];
}

/** Returns the packages of a node_modules folder, those inside of packages too. */
function packagesIn(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name.startsWith('.')) return [];
    if (name.startsWith('@')) return packagesIn(path);
    const manifest = join(path, 'package.json');
    if (!existsSync(manifest)) return [];
    const one = Manifest.parse(JSON.parse(readFileSync(manifest, 'utf8')));
    const nested = join(path, 'node_modules');
    return [`${one.name}@${one.version}`, ...(existsSync(nested) ? packagesIn(nested) : [])];
  });
}

/** Returns one fault for each file outside of /app that the base image does not have as it is. */
function changedOutside(root: string, base: string): readonly string[] {
  const before = new Map(entriesOf(base, ['app']).map(({ path, stat }) => [path, signatureOf(stat)]));
  return entriesOf(root, ['app']).flatMap(({ path, stat }) =>
    before.get(path) === signatureOf(stat) ? [] : [`/${path}: written outside of /app`],
  );
}

function signatureOf(stat: Entry['stat']): string {
  if (stat === undefined) return '';
  return [stat.mode, stat.uid, stat.gid, stat.isFile() ? stat.size : ''].join();
}

function entriesOf(root: string, except: readonly string[] = [], under = ''): readonly Entry[] {
  return readdirSync(join(root, under), { withFileTypes: true }).flatMap((found) => {
    const path = join(under, found.name);
    if (except.includes(path)) return [];
    const entry = { path, stat: lstatSync(join(root, path)) };
    return found.isDirectory() ? [entry, ...entriesOf(root, except, path)] : [entry];
  });
}

const hasText = (path: string): boolean => existsSync(path) && statSync(path).size > 200;

/** Returns the bytes of the files under a folder. */
export const bytesUnder = (root: string): number =>
  entriesOf(root).reduce((sum, { stat }) => sum + (stat?.isFile() === true ? Number(stat.size) : 0), 0);
