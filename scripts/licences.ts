import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type Crate, cratesOfNative } from './crates.ts';
import { type Package, shippedPackages } from './production-packages.ts';

/**
 * Permissive licences, suitable for a service that is distributed as an image. Adding one is a
 * decision, not an edit.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  '(MIT AND Zlib)',
  'Unicode-3.0', // tables of Unicode in a crate of the build
]);

export const LICENCES_FILE = join(import.meta.dirname, '..', 'docs', 'licences.md');

/** Returns packages with a disallowed licence; an expression counts as a licence of its own. */
export const forbidden = (packages: readonly Package[]): readonly Package[] =>
  packages.filter(({ licence }) => !ALLOWED.has(licence));

/**
 * Returns crates with a disallowed licence. Most offer a choice (OR), of which one must be allowed;
 * of all parts (AND) each must be.
 */
export const forbiddenCrates = (crates: readonly Crate[]): readonly Crate[] =>
  crates.filter(({ licence }) => !licence.split(' AND ').every(isAllowedChoice));

const isAllowedChoice = (choice: string): boolean =>
  choice
    .replace(/^\((.*)\)$/, '$1')
    .split(' OR ')
    .some((licence) => ALLOWED.has(licence));

export function licencesPage(packages: readonly Package[], crates: readonly Crate[]): string {
  const rows = packages.map(rowOf);
  return `# Licences

Every package that runs in production, those of the pages in the browser included, as \`npm run licences\` writes it; what the package asks for itself is bold.
The texts are in the image, beside each package; those of the pages are in \`licences.md\` of \`dist/console\` and \`dist/docs\`. Allowed are ${[...ALLOWED].join(', ')}; anything else fails the command and the tests.

| package | version | licence |
| --- | --- | --- |
${rows.join('\n')}

## The native accelerator

The crates of the optional module in \`native\`, those of its build included, as its lock pins them. Their texts are in \`native/licences.txt\` of the image.

| crate | version | licence |
| --- | --- | --- |
${crates.map(rowOf).join('\n')}
`;
}

const rowOf = ({ name, version, licence, isDirect }: Package): string =>
  `| ${isDirect ? `**${name}**` : name} | ${version} | ${licence} |`;

if (import.meta.main) {
  const packages = shippedPackages();
  const crates = cratesOfNative();
  writeFileSync(LICENCES_FILE, licencesPage(packages, crates));
  const wrong = [...forbidden(packages), ...forbiddenCrates(crates)].map(
    ({ name, version, licence }) => `${name}@${version}: ${licence}`,
  );
  if (wrong.length > 0) {
    process.stderr.write(`licences that are not allowed:\n${wrong.map((line) => `  ${line}\n`).join('')}`);
    process.exitCode = 1;
  }
}
