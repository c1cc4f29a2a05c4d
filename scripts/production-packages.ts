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

/**
 * Returns the packages that `npm ci --omit=dev --omit=optional` installs, according to the lock,
 * with the licences that the installed packages state.
 */
export function productionPackages(): readonly Package[] {
  const { packages } = Lock.parse(read('package-lock.json'));
  const direct = packages['']?.dependencies ?? {};
  const paths = Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .map(([path]) => path);
  const found = paths.map((path): Package => {
    const { name, version, license } = Manifest.parse(read(join(path, 'package.json')));
    return { name, version, licence: license, isDirect: Object.hasOwn(direct, name) };
  });
  const unique = new Map(found.map((one) => [`${one.name}@${one.version}`, one]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

const read = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
