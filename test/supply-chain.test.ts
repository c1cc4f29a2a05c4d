import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, test } from '@jest/globals';
import { cratesOfNative } from '../scripts/crates.ts';
import { forbidden, forbiddenCrates, LICENCES_FILE, licencesPage } from '../scripts/licences.ts';
import { shippedPackages } from '../scripts/production-packages.ts';

const ROOT = join(import.meta.dirname, '..');
const packages = shippedPackages();
const crates = cratesOfNative();

test('docs/licences.md lists every production package and none has a disallowed licence', () => {
  expect(readFileSync(LICENCES_FILE, 'utf8')).toBe(licencesPage(packages, crates)); // if it fails: npm run licences
  expect(forbidden(packages)).toEqual([]);
});

test('the crates of the native accelerator are locked with hashes, and each has an allowed licence', () => {
  expect(crates.filter(({ isDirect }) => isDirect).map(({ name }) => name)).toEqual([
    'aes-gcm',
    'base64',
    'napi',
    'napi-derive',
    'zeroize',
  ]);
  expect(crates.filter(({ checksum }) => !/^[0-9a-f]{64}$/.test(checksum))).toEqual([]);
  expect(forbiddenCrates(crates)).toEqual([]); // `none`: npm run native writes native/licences.json
  const manifest = readFileSync(join(ROOT, 'native/Cargo.toml'), 'utf8');
  const versions = [...manifest.matchAll(/^\S+ = \{ version = "([^"]+)"/gm)].map(([, version = '']) => version);
  expect(versions.length).toBe(5);
  expect(versions.filter((version) => !/^=\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test.each(['GPL-3.0-only', 'MIT AND GPL-3.0-only', '(GPL-3.0-only OR AGPL-3.0-only) AND MIT', 'none'])(
  'a crate under %s is reported',
  (licence) => {
    const [crate] = crates;
    if (!crate) throw new Error('crates');
    expect(forbiddenCrates([{ ...crate, licence }]).length).toBe(1);
    expect(forbiddenCrates([{ ...crate, licence: 'GPL-3.0-only OR MIT' }])).toEqual([]);
  },
);

test('a licence that is not on the list is reported, and so is a package without one', () => {
  const foreign = ['GPL-3.0-only', '(MIT OR GPL-3.0-only)', 'none'].map((licence) => {
    return { name: 'x', version: '1.0.0', licence, isDirect: false };
  });
  expect(forbidden([...packages, ...foreign])).toEqual(foreign);
});

interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

test('the SBOM is CycloneDX and has the runtime and exactly the production packages, each with its hash', () => {
  const text = execFileSync('npm', ['run', '-s', 'sbom'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1_024 * 1_024,
  });
  const { bomFormat, specVersion, components: all, dependencies } = JSON.parse(text) as Sbom;
  const [runtime, ...libraries] = all;
  const [components = [], ofCrates = []] = ['pkg:npm/', 'pkg:cargo/'].map((kind) =>
    libraries.filter(({ purl }) => purl.startsWith(kind)),
  );
  expect(components.length + ofCrates.length).toBe(libraries.length);
  expect(runtime).toMatchObject({ type: 'platform', name: 'node', version: process.versions.node });
  expect(bomFormat).toBe('CycloneDX');
  expect(Number(specVersion)).toBeGreaterThanOrEqual(1.5);
  const listed = [...new Set(components.map(({ name, version }) => `${name}@${version}`))].sort();
  expect(listed).toEqual(packages.map(({ name, version }) => `${name}@${version}`).sort());
  expect(ofCrates.map(({ name, version, hashes }) => [name, version, hashes?.[0]?.content])).toEqual(
    crates.map(({ name, version, checksum }) => [name, version, checksum]),
  );
  const unhashed = components.filter(({ hashes }) => !hashes?.some(({ alg }) => alg === 'SHA-512'));
  expect(unhashed).toEqual([]);
  const known = new Set(dependencies.map(({ ref }) => ref));
  expect(dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !known.has(ref))).toEqual([]);
});

describe('the image', () => {
  const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');

  test('is built from official Node images by digest', () => {
    const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)/gm)].map(([, stage]) => stage);
    const bases = images.filter((image) => !stages.includes(image));
    expect(bases.length).toBeGreaterThan(0);
    expect(bases.filter((image) => !/^node:26[\w.-]*@sha256:[0-9a-f]{64}$/.test(image))).toEqual([]);
  });

  test('never runs install scripts, and neither runs nor contains the repackaged Node', () => {
    const installs = [...dockerfile.matchAll(/npm ci.*$/gm)].map(([line]) => line);
    expect(installs.length).toBe(2);
    expect(installs.filter((line) => !line.includes('--ignore-scripts'))).toEqual([]);
    const removed = 'rm -rf node_modules/node-linux-* node_modules/.bin/node';
    expect(installs.filter((line) => !line.includes('--omit=optional') && !line.includes(removed))).toEqual([]);
    const shipped = /COPY --from=(\w+) \/app\/node_modules/.exec(dockerfile)?.[1];
    expect(dockerfile.split(`AS ${shipped}\n`)[1]?.split('\n')[0]).toContain('--omit=dev --omit=optional');
  });
});

describe('package.json', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
    readonly optionalDependencies: Readonly<Record<string, string>>;
    readonly allowScripts: Readonly<Record<string, boolean>>;
  };
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<
      Record<
        string,
        {
          readonly hasInstallScript?: true;
          readonly dev?: true;
          readonly devOptional?: true;
          readonly resolved?: string;
          readonly integrity?: string;
        }
      >
    >;
  };

  test('pins every version exactly', () => {
    const { dependencies, devDependencies, optionalDependencies } = manifest;
    const ranges = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(ranges.length).toBeGreaterThan(30);
    expect(ranges.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  test('allows no install script, and names each package that has one', () => {
    expect(Object.values(manifest.allowScripts).filter((isAllowed) => isAllowed)).toEqual([]);
    const scripted = Object.entries(lock.packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    expect(scripted.filter((name) => !Object.hasOwn(manifest.allowScripts, name))).toEqual([]);
  });

  test('has no install script in production, such as one that reports the installation', () => {
    const packages = Object.entries(lock.packages);
    const production = packages.filter(([, { dev, devOptional }]) => !dev && !devOptional);
    expect(production.length).toBeGreaterThan(50);
    const scripted = production.filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(scripted.map(([path]) => path).filter((path) => path !== '')).toEqual([]);
  });

  test('has a lock with a hash of each package and no registry address', () => {
    const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(packages.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))).toEqual([]);
  });
});
