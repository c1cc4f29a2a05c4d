import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { forbidden, LICENCES_FILE, licencesPage } from '../scripts/licences.ts';
import { productionPackages } from '../scripts/production-packages.ts';

const ROOT = join(import.meta.dirname, '..');
const packages = productionPackages();

test('docs/licences.md lists every production package and none has a licence that is not allowed', () => {
  expect(readFileSync(LICENCES_FILE, 'utf8')).toBe(licencesPage(packages)); // else: npm run licences
  expect(forbidden(packages)).toEqual([]);
});

test('a licence that is not on the list is found, and so is a package without one', () => {
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

test('the SBOM is CycloneDX and has exactly the production packages, each with its hash', () => {
  const text = execFileSync('npm', ['run', '-s', 'sbom'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1_024 * 1_024,
  });
  const { bomFormat, specVersion, components, dependencies } = JSON.parse(text) as Sbom;
  expect(bomFormat).toBe('CycloneDX');
  expect(Number(specVersion)).toBeGreaterThanOrEqual(1.5);
  const listed = [...new Set(components.map(({ name, version }) => `${name}@${version}`))].sort();
  expect(listed).toEqual(packages.map(({ name, version }) => `${name}@${version}`).sort());
  const unhashed = components.filter(({ hashes }) => !hashes?.some(({ alg }) => alg === 'SHA-512'));
  expect(unhashed).toEqual([]);
  const known = new Set(dependencies.map(({ ref }) => ref));
  expect(dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !known.has(ref))).toEqual([]);
  expect(components.filter(({ purl }) => !purl.startsWith('pkg:npm/'))).toEqual([]);
});
