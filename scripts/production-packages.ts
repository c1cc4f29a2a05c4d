import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

const ROOT = join(import.meta.dirname, '..');

export interface Package {
  readonly name: string;
  readonly version: string;
  /** SPDX expression of its own package.json. */
  readonly licence: string;
  /** Whether package.json names it; the others are dependencies of these. */
  readonly isDirect: boolean;
}

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      dev: z.boolean().optional(),
      optional: z.boolean().optional(),
      devOptional: z.boolean().optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});
const Manifest = z.object({ name: z.string(), version: z.string(), license: z.string().default('none') });

/** Development packages that are built into the pages; scripts/build-pages.ts fails on another. */
const BUNDLED = ['@azure/msal-browser', '@tanstack/react-query', 'react', 'react-dom', 'react-router'];

/**
 * Returns the packages that run in production: the service's own, and those in the bundles of the pages.
 */
export function shippedPackages(): readonly Package[] {
  return sorted([...productionPackages(), ...bundledPackages()]);
}

/**
 * Returns the packages that `npm ci --omit=dev --omit=optional` installs, according to the lock,
 * with the licences that the installed packages state.
 */
function productionPackages(): readonly Package[] {
  const { packages } = lock();
  const direct = packages['']?.dependencies ?? {};
  const paths = Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .map(([path]) => path);
  return sorted(paths.map((path) => packageAt(path, (name) => Object.hasOwn(direct, name))));
}

/** Returns the packages of the pages' bundles, with what they depend on. */
export function bundledPackages(): readonly Package[] {
  const { packages } = lock();
  const paths = new Set<string>();
  const take = (name: string, from: string): void => {
    const nested = join(from, 'node_modules', name);
    const path = nested in packages ? nested : join('node_modules', name);
    if (paths.has(path)) return;
    paths.add(path);
    for (const needed of Object.keys(packages[path]?.dependencies ?? {})) take(needed, path);
  };
  for (const name of BUNDLED) take(name, '');
  return sorted([...paths].map((path) => packageAt(path, (name) => BUNDLED.includes(name))));
}

function packageAt(path: string, isDirect: (name: string) => boolean): Package {
  const { name, version, license } = Manifest.parse(read(join(path, 'package.json')));
  return { name, version, licence: license, isDirect: isDirect(name) };
}

function sorted(packages: readonly Package[]): readonly Package[] {
  const unique = new Map(packages.map((one) => [`${one.name}@${one.version}`, one]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

const lock = (): z.infer<typeof Lock> => Lock.parse(read('package-lock.json'));
const read = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
