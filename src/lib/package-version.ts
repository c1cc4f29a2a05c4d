import { readFileSync } from 'node:fs';

/**
 * Returns the version of the package, from the one place that has it. The path is the same from
 * `src` and from `dist`.
 */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
