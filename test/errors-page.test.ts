import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { readTree } from './support/source-tree.ts';

const ROOT = join(import.meta.dirname, '..');
const LITERAL = /'([a-z]+(?:-[a-z]+)*)'/g;

/** Reasons of audit records and results, which no problem has, and a word of a type check. */
const NOT_IN_PROBLEMS: ReadonlySet<string> = new Set([
  'bell-unknown',
  'caller-rate', // counts requests; the problem is `caller-throttled` without a reason
  'client-certificate',
  'doorbell',
  'drill',
  'key-retired', // of a branch key that stays, as is `not-ours`: in the contract
  'missing', // `unauthenticated` without a token has no reason
  'not-ours',
  'other',
  'string',
  'unreported',
]);

const literals = (text: string): readonly string[] => [...text.matchAll(LITERAL)].map(([, word = '']) => word);
const all = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, found = '']) => found);

/** Returns the reasons that a file gives: as a member, as a parameter, or as a type. */
function reasonsIn(text: string): readonly string[] {
  const members = all(text, /\breason: ([^\n]*?)(?:,|$| \})/gm);
  const types = all(text, /type \w*Reason =([^;]+);/g);
  const firsts = all(text, /(?:const|function) (\w+)(?: =)?\s*\(\s*reason\??: /g);
  const seconds = all(text, /(?:const|function) (\w+)(?: =)?\s*\([^()]*,\s*reason\??: /g);
  const passed = [
    ...firsts.flatMap((name) => all(text, new RegExp(`\\b${name}\\(\\s*('[a-z-]+')`, 'g'))),
    ...seconds.flatMap((name) => all(text, new RegExp(`\\b${name}\\([^;]*?, ('[a-z-]+')\\)`, 'g'))),
  ];
  const constants = members.filter((member) => /^[A-Z_]+$/.test(member));
  const values = constants.flatMap((name) => all(text, new RegExp(`const ${name} = ('[a-z-]+');`, 'g')));
  return [...members, ...types, ...passed, ...values].flatMap(literals);
}

test('docs/errors.md has every reason that the code can give', () => {
  const page = readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8');
  const documented = new Set(all(page, /`([a-z-]+)`/g));
  const prefixes = all(page, /`([a-z-]+-)…`/g);
  const isDocumented = (reason: string) =>
    documented.has(reason) || prefixes.some((prefix) => reason.startsWith(prefix));
  const files = [...readTree(join(ROOT, 'src'))].filter(([path]) => !/^(emulator|cli)\//.test(path));
  const missing = files.flatMap(([path, text]) =>
    reasonsIn(text)
      .filter((reason) => !isDocumented(reason) && !NOT_IN_PROBLEMS.has(reason))
      .map((reason) => `${path}: ${reason}`),
  );
  expect([...new Set(missing)]).toEqual([]);
});

test.each([
  ['a member', "new ServiceError('internal', 'x', { reason: 'no-page' })", ['no-page']],
  ['a choice', "{\n reason: isA ? 'no-page' : 'no-book',\n}", ['no-page', 'no-book']],
  ['a constant', "const GONE = 'no-page';\nconst meaning = {\n  reason: GONE,\n};", ['no-page']],
  ['a first parameter', "const refused = (reason: string) => 1;\nthrow refused('no-page');", ['no-page']],
  [
    'a later parameter',
    "const refused = (detail: string, reason?: string) => 1;\nrefused('x', 'no-page')",
    ['no-page'],
  ],
  ['a type', "type ShedReason = 'no-page' | 'no-book';", ['no-page', 'no-book']],
])('a reason is found as %s', (_how, text, reasons) => {
  expect(reasonsIn(text)).toEqual(expect.arrayContaining(reasons));
});
