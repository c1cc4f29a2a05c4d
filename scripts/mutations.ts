import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parse } from 'yaml';
import * as z from 'zod';

/**
 * Takes each defence of the threat model out of a scratch copy of the sources, and runs the test that shows it. The test must fail.
 * `npm run mutations [ROW…]`: rows such as L6; all without one.
 */
const Mutation = z.strictObject({
  /** Row of docs/threat-model.md. */
  row: z.string().regex(/^[LCSTV]\d+$/),
  /** The defence that is taken out. */
  defence: z.string().min(1),
  file: z.string().min(1),
  /** Occurs once in the file, whatever its white space. */
  search: z.string().min(1),
  replacement: z.string(),
  test: z.string().min(1),
});
type Mutation = z.output<typeof Mutation>;

const TOP = join(import.meta.dirname, '..');
const FOLDER = join(import.meta.dirname, 'mutations');

function readMutations(): Mutation[] {
  return readdirSync(FOLDER).flatMap((name) =>
    z.array(Mutation).parse(parse(readFileSync(join(FOLDER, name), 'utf8'))),
  );
}

/** Returns the text without the defence. White space may differ, so that a mutation survives reformatting. */
function mutated(text: string, { row, file, search, replacement }: Mutation): string {
  const words = search
    .trim()
    .split(/\s+/)
    .map((word) => RegExp.escape(word));
  const [first, second] = text.matchAll(new RegExp(words.join('\\s+'), 'g'));
  if (!first || second)
    throw new Error(`${row}: the search occurs ${first ? 'more than once' : 'nowhere'} in ${file}: ${search}`);
  return text.slice(0, first.index) + replacement + text.slice(first.index + first[0].length);
}

/** Returns whether the test passes in the copy. */
function passes(copy: string, test: string): boolean {
  const run = spawnSync('npm', ['test', '--', '--forceExit', test], { cwd: copy, stdio: 'ignore', timeout: 300_000 });
  return run.status === 0;
}

function copyOfSources(): string {
  const copy = mkdtempSync(join(tmpdir(), 'mutations-'));
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: TOP, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) cpSync(join(TOP, file), join(copy, file));
  symlinkSync(join(TOP, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

const rows = process.argv.slice(2);
const mutations = readMutations().filter(({ row }) => rows.length === 0 || rows.includes(row));
const copy = copyOfSources();
let survivors = 0;
try {
  for (const mutation of mutations) {
    const file = join(copy, mutation.file);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, mutated(text, mutation));
    const hasSurvived = passes(copy, mutation.test);
    writeFileSync(file, text);
    if (hasSurvived) survivors += 1;
    process.stdout.write(
      `${hasSurvived ? 'SURVIVED' : 'found   '} ${mutation.row} ${mutation.defence} (${mutation.test})\n`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.stdout.write(`${mutations.length} mutations, ${survivors} survived\n`);
process.exitCode = survivors === 0 ? 0 : 1;
