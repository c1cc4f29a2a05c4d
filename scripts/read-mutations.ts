import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';

const Mutation = z.strictObject({
  /** Row of docs/threat-model.md. */
  row: z.string().regex(/^[A-Z]\d+$/),
  /** The defence that is taken out. */
  defence: z.string().min(1),
  file: z.string().min(1),
  /** Occurs once in the file, whatever its white space. */
  search: z.string().min(1),
  replacement: z.string(),
  test: z.string().min(1),
  /** Part of the titles of the tests to run, so that a run is short; '' for all of the file. */
  pattern: z.string(),
});
export type Mutation = z.output<typeof Mutation>;

const FOLDER = join(import.meta.dirname, 'mutations');

/** Returns the mutations of `scripts/mutations`. */
export function readMutations(): Mutation[] {
  return readdirSync(FOLDER).flatMap((name) =>
    z.array(Mutation).parse(parse(readFileSync(join(FOLDER, name), 'utf8'))),
  );
}

/**
 * Returns the text without the defence. White space may differ, so that a mutation survives
 * reformatting.
 * @throws if the search does not occur once
 */
export function mutated(text: string, { row, file, search, replacement }: Mutation): string {
  const words = search
    .trim()
    .split(/\s+/)
    .map((word) => RegExp.escape(word));
  const [first, second] = text.matchAll(new RegExp(words.join('\\s+'), 'g'));
  if (!first || second)
    throw new Error(`${row}: the search occurs ${first ? 'more than once' : 'nowhere'} in ${file}: ${search}`);
  return text.slice(0, first.index) + replacement + text.slice(first.index + first[0].length);
}
