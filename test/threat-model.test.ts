import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { mutated, readMutations } from '../scripts/read-mutations.ts';

const ROOT = join(import.meta.dirname, '..');
const page = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8');

/** Rows of threats: the first column has an id such as L1. */
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

test('every mutation cuts one defence out of the sources, and runs a test that its row names', () => {
  const testsOf = new Map(threats.map(({ id, tests }) => [id, tests]));
  const mutations = readMutations();
  expect(mutations.length).toBeGreaterThan(60);
  for (const mutation of mutations) {
    const { row, file, test: named } = mutation;
    expect([row, testsOf.get(row)]).toEqual([row, expect.arrayContaining([named])]);
    const text = readFileSync(join(ROOT, file), 'utf8');
    expect(mutated(text, mutation)).not.toBe(text);
  }
});
