import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type Mutation, mutated, readMutations } from './read-mutations.ts';

/**
 * Takes each defence of the threat model out of a scratch copy of the sources, and runs the test
 * that shows it. The test must fail. `npm run mutations [ROW…]`: rows such as L6; all without one.
 * `npm run mutations -- --list` prints them and runs none.
 */
const TOP = join(import.meta.dirname, '..');

type Result = 'found' | 'SURVIVED' | 'NO TEST';

/** Returns the result of the tests in the copy. A pattern that matches no test, since its title was changed, shows nothing. */
function resultOf(copy: string, { test, pattern }: Mutation): Result {
  const output = join(copy, 'mutation.json');
  const only = pattern === '' ? [] : ['-t', pattern];
  const args = ['test', '--', '--forceExit', '--json', `--outputFile=${output}`, test, ...only];
  const { status } = spawnSync('npm', args, { cwd: copy, stdio: 'ignore', timeout: 300_000 });
  if (status !== 0) return 'found';
  const { numPassedTests } = JSON.parse(readFileSync(output, 'utf8')) as { readonly numPassedTests: number };
  return numPassedTests === 0 ? 'NO TEST' : 'SURVIVED';
}

function copyOfSources(): string {
  const copy = mkdtempSync(join(tmpdir(), 'mutations-'));
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: TOP, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) cpSync(join(TOP, file), join(copy, file));
  symlinkSync(join(TOP, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Runs each mutation and prints its result. Returns the number of those that no test found. */
function run(mutations: readonly Mutation[], copy: string): number {
  let survivors = 0;
  for (const mutation of mutations) {
    const file = join(copy, mutation.file);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, mutated(text, mutation));
    const startedAt = performance.now();
    const result = resultOf(copy, mutation);
    writeFileSync(file, text);
    if (result !== 'found') survivors += 1;
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    const { row, defence, test, pattern } = mutation;
    process.stdout.write(`${result.padEnd(8)} ${row} ${defence} (${test} ${pattern}; ${seconds} s)\n`);
  }
  return survivors;
}

/** Prints each mutation. @throws where one's search does not occur once */
function list(mutations: readonly Mutation[]): void {
  for (const mutation of mutations) {
    mutated(readFileSync(join(TOP, mutation.file), 'utf8'), mutation);
    process.stdout.write(`${mutation.row} ${mutation.defence} (${mutation.file}; ${mutation.test})\n`);
  }
}

const { values, positionals: rows } = parseArgs({ options: { list: { type: 'boolean' } }, allowPositionals: true });
const mutations = readMutations().filter(({ row }) => rows.length === 0 || rows.includes(row));
if (values.list) list(mutations);
else {
  const copy = copyOfSources();
  try {
    const survivors = run(mutations, copy);
    process.stdout.write(`${mutations.length} mutations, ${survivors} survived\n`);
    process.exitCode = survivors === 0 ? 0 : 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
