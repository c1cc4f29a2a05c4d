import { kindOf } from './kind-of.ts';

/**
 * Types check the names of options in TypeScript only. In JavaScript a misspelt one would change nothing, and a value
 * would be encrypted without its context or sent on nobody's behalf.
 * @throws TypeError for options that are no object, or have a name that is not among the known ones
 */
export function checkNames(options: unknown, known: ReadonlySet<string>, what = 'options'): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${what} is ${kindOf(options)}: give an object`);
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw new TypeError(`${what} has an unknown member ${name}: known are ${[...known].join(', ')}`);
  }
}
