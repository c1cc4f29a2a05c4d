import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');
const page = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8');

/** Rows of threats: an id such as L1 stands in the first column. */
const threats = [...page.matchAll(/^\| ([A-Z]\d+) \|(.*)\|$/gm)].map(([, id = '', row = '']) => {
  const cells = row.split(' | ').map((cell) => cell.trim());
  return { id, cells, tests: [...(cells[2] ?? '').matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path) };
});

test('every threat names its defence, its tests and the remaining risk', () => {
  expect(threats.length).toBeGreaterThan(40);
  expect(new Set(threats.map(({ id }) => id)).size).toBe(threats.length);
  expect(threats.filter(({ cells }) => cells.length !== 4 || cells.includes(''))).toEqual([]);
  expect(threats.filter(({ tests }) => tests.length === 0).map(({ id }) => id)).toEqual([]);
});

test('every named test exists', () => {
  const named = [...page.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path);
  expect(named.filter((path) => !path.endsWith('.test.ts') || !existsSync(join(ROOT, path)))).toEqual([]);
});
