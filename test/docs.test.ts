import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { HELM_SCHEMA_FILE, helmSchema } from '../scripts/helm-schema.ts';

const ROOT = join(import.meta.dirname, '..');

test("the schema of the Helm chart's values has the settings of the service", () => {
  expect(readFileSync(HELM_SCHEMA_FILE, 'utf8')).toBe(helmSchema()); // if it fails: npm run configuration
});

interface Link {
  readonly page: string;
  readonly target: string;
}

/**
 * Returns GitHub's anchors of headings: lower case, punctuation dropped, spaces as hyphens, repeats
 * numbered.
 */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of withoutCode(markdown).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const plain = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = plain;
    for (let n = 1; anchors.has(anchor); n += 1) anchor = `${plain}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

const withoutCode = (markdown: string): string => markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, '');

/** Returns the relative links of a page, images included. */
function linksOf(page: string, markdown: string): readonly Link[] {
  const text = withoutCode(markdown).replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(<?([^)>\s]+)>?(?: "[^"]*")?\)/g)]
    .map(([, target = '']) => ({ page, target }))
    .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

/** Returns the links whose file or anchor does not exist. */
function brokenLinks(pages: ReadonlyMap<string, string>, exists: (path: string) => boolean): readonly Link[] {
  const anchors = new Map([...pages].map(([page, markdown]) => [page, anchorsOf(markdown)]));
  return [...pages].flatMap(([page, markdown]) =>
    linksOf(page, markdown).filter(({ target }) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : normalize(join(dirname(page), decodeURIComponent(path))).replace(/\/$/, '');
      if (!exists(file)) return true;
      return anchor !== undefined && anchors.has(file) && !anchors.get(file)?.has(anchor);
    }),
  );
}

describe('links in Markdown', () => {
  test('lead to files and headings that exist', () => {
    const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    const files = list
      .trim()
      .split('\n')
      .filter((file) => existsSync(join(ROOT, file)));
    expect(files.length).toBeGreaterThan(20);
    const pages = new Map(files.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));
    expect(brokenLinks(pages, (path) => existsSync(join(ROOT, path)))).toEqual([]);
  });

  test('are detected as broken if the file or the heading is missing', () => {
    const pages = new Map([
      [
        'README.md',
        '[a](docs/a.md#one-two) [b](docs/a.md#three) [c](docs/b.md) `[d](e.md)` [f](https://example.org/x)',
      ],
      ['docs/a.md', '# One, *two*\n\n[up](../README.md) [here](#nowhere)\n\n```sh\n# Three\n```\n'],
    ]);
    expect(brokenLinks(pages, (path) => pages.has(path)).map(({ target }) => target)).toEqual([
      'docs/a.md#three',
      'docs/b.md',
      '#nowhere',
    ]);
  });
});

describe('decision records', () => {
  const folder = join(ROOT, 'docs', 'decisions');
  const records = readdirSync(folder).filter((file) => /^\d{4}-/.test(file));

  test('have a status and are listed in the index', () => {
    const index = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(records.filter((file) => !index.includes(`](${file})`))).toEqual([]);
    const status = /^Status: (?:accepted|superseded by \[[^\]]+\]\([^)]+\)), \d{4}-\d{2}-\d{2}(?:[,;] [^\n]*)?\.$/m;
    expect(records.filter((file) => !status.test(readFileSync(join(folder, file), 'utf8')))).toEqual([]);
  });
});

test('the glossary has each word once', () => {
  const glossary = readFileSync(join(ROOT, 'docs', 'glossary.md'), 'utf8');
  const words = [...glossary.matchAll(/^\| \*\*([^*]+)\*\*/gm)].map(([, word]) => word);
  expect(words.length).toBeGreaterThan(30);
  expect(new Set(words).size).toBe(words.length);
});
