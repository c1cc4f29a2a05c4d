import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
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
]);

export const LICENCES_FILE = join(import.meta.dirname, '..', 'docs', 'licences.md');

/** Returns packages with a disallowed licence; an expression counts as a licence of its own. */
export const forbidden = (packages: readonly Package[]): readonly Package[] =>
  packages.filter(({ licence }) => !ALLOWED.has(licence));

export function licencesPage(packages: readonly Package[]): string {
  const rows = packages.map(
    ({ name, version, licence, isDirect }) => `| ${isDirect ? `**${name}**` : name} | ${version} | ${licence} |`,
  );
  return `# Licences

Every package that runs in production, the console's in the browser included, as \`npm run licences\` writes it; what the package asks for itself is bold.
The texts are in the image, beside each package; those of the console's are in \`dist/console/licences.md\`. Allowed are ${[...ALLOWED].join(', ')}; anything else fails the command and the tests.

| package | version | licence |
| --- | --- | --- |
${rows.join('\n')}
`;
}

if (import.meta.main) {
  const packages = shippedPackages();
  writeFileSync(LICENCES_FILE, licencesPage(packages));
  const wrong = forbidden(packages).map(({ name, version, licence }) => `${name}@${version}: ${licence}`);
  if (wrong.length > 0) {
    process.stderr.write(`licences that are not allowed:\n${wrong.map((line) => `  ${line}\n`).join('')}`);
    process.exitCode = 1;
  }
}
