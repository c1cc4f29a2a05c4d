import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { LICENCES_OF_CRATES } from './crates.ts';

/**
 * Builds the native accelerator from its sources and puts it where the service looks for it, with
 * the licence texts of its crates. Nothing is downloaded but the sources of the crates that
 * native/Cargo.lock names.
 */
const NATIVE = join(import.meta.dirname, '..', 'native');
const MODULE = join(NATIVE, 'vaultspan-native.node');
const BUILT = ['libvaultspan_native.so', 'libvaultspan_native.dylib', 'vaultspan_native.dll'];
const MAX_BYTES = 64 * 1024 * 1024;

const Metadata = z.object({
  target_directory: z.string(),
  packages: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      license: z.string().nullable(),
      manifest_path: z.string(),
      source: z.string().nullable(),
    }),
  ),
});

execFileSync('cargo', ['build', '--release', '--locked'], { cwd: NATIVE, stdio: 'inherit' });
const metadata = Metadata.parse(
  JSON.parse(
    execFileSync('cargo', ['metadata', '--format-version', '1', '--locked'], {
      cwd: NATIVE,
      encoding: 'utf8',
      maxBuffer: MAX_BYTES,
    }),
  ),
);
const built = BUILT.map((name) => join(metadata.target_directory, 'release', name)).find((path) => existsSync(path));
if (built === undefined) throw new Error(`cargo built no module in ${metadata.target_directory}`);
// By a new name first: a running service has the old file in memory.
copyFileSync(built, `${MODULE}.new`);
renameSync(`${MODULE}.new`, MODULE);

const crates = metadata.packages.filter(({ source }) => source !== null);
const named = crates.map(({ name, version, license }) => [`${name} ${version}`, license ?? 'none'] as const);
const sorted = Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(LICENCES_OF_CRATES, `${JSON.stringify(sorted, undefined, 2)}\n`);
/** Each text once, with the crates that have it. */
const texts = Map.groupBy(
  crates.flatMap(({ name, version, manifest_path: manifest }) => {
    const folder = dirname(manifest);
    const files = readdirSync(folder).filter((file) => /^(?:LICEN[CS]E|COPYING|UNLICENSE|NOTICE)/i.test(file));
    return files.map((file) => ({
      crate: `${name} ${version}`,
      text: readFileSync(join(folder, file), 'utf8').trim(),
    }));
  }),
  ({ text }) => text,
);
const chapters = [...texts].map(([text, of]) => `${of.map(({ crate }) => crate).join(', ')}:\n\n${text}\n`);
writeFileSync(join(NATIVE, 'licences.txt'), chapters.join('\n\n'));
