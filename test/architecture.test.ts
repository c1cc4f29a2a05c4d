import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const SRC = join(import.meta.dirname, '..', 'src');

/** What each part may import of ours, itself aside. `main → cli → compose → app → http → operations → …`, never back. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ['cli'],
  cli: [
    'compose',
    'compose-parts',
    'compose-store',
    'compose-audit',
    'http',
    'operations',
    'callers',
    'envelope',
    'cache',
    'config',
    'errors',
    'telemetry',
    'tenants',
    'audit',
    'azure',
    'emulator',
  ],
  compose: [
    'compose-certificate',
    'compose-parts',
    'compose-store',
    'compose-rounds',
    'compose-telemetry',
    'compose-audit',
    'app',
    'http',
    'envelope',
    'tenants',
    'callers',
    'audit',
    'cache',
    'telemetry',
    'config',
  ],
  'compose-certificate': ['http', 'cache', 'telemetry', 'config'],
  'compose-store': ['compose-parts', 'tenants', 'telemetry', 'config'],
  'compose-telemetry': ['azure', 'http', 'telemetry', 'config'],
  'compose-audit': ['compose-store', 'audit', 'tenants', 'telemetry', 'config'],
  'compose-rounds': [
    'compose-parts',
    'compose-store',
    'rounds',
    'operations',
    'envelope',
    'cache',
    'telemetry',
    'config',
  ],
  'compose-parts': ['azure', 'tenants', 'cache', 'telemetry', 'config'],
  app: ['http', 'operations', 'callers'],
  http: ['operations', 'callers', 'audit', 'tenants', 'envelope', 'cache', 'errors'],
  rounds: ['operations', 'tenants', 'cache', 'errors'],
  operations: ['callers', 'tenants', 'envelope', 'audit', 'cache', 'telemetry', 'errors'],
  callers: ['cache', 'errors'],
  envelope: ['tenants', 'cache', 'errors'],
  azure: ['tenants', 'envelope', 'cache', 'errors'],
  audit: ['tenants', 'cache', 'errors'],
  tenants: ['cache', 'errors'],
  telemetry: ['errors'],
  cache: [],
  emulator: [],
  config: ['config-schema', 'environment'],
  'config-schema': [],
  environment: [],
  errors: [],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isTypeOnly: boolean;
}

const IMPORT = /(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'|import\('(\.[^']+)'\)/g;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const imports: Import[] = files.flatMap((from) =>
  [...readFileSync(join(SRC, from), 'utf8').matchAll(IMPORT)].map(([, type, path, lazy]) => ({
    from,
    to: relative(SRC, join(SRC, dirname(from), path ?? lazy ?? '')),
    isTypeOnly: type !== undefined,
  })),
);
const partOf = (file: string): string => file.split('/')[0]?.replace(/\.ts$/, '') ?? '';

describe('the tree of src', () => {
  test('has no part that the rule does not know', () => {
    expect([...new Set(files.map(partOf))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  test('imports in one direction only', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [source, target] = [partOf(from), partOf(to)];
      return source !== target && !MAY_IMPORT[source]?.includes(target);
    });
    expect(wrong).toEqual([]);
  });

  test('has no cycle of values', () => {
    const graph = Map.groupBy(
      imports.filter(({ isTypeOnly }) => !isTypeOnly),
      ({ from }) => from,
    );
    const cycles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (path.includes(file) || done.has(file)) return;
      for (const { to } of graph.get(file) ?? []) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test('lets only azure import the SDK, and the emulator nothing of ours', () => {
    const sdk = files.filter((file) => readFileSync(join(SRC, file), 'utf8').includes("'@azure/"));
    expect([...new Set(sdk.map(partOf))]).toEqual(['azure']);
    expect(imports.filter(({ from, to }) => partOf(from) === 'emulator' && partOf(to) !== 'emulator')).toEqual([]);
  });

  test('lets only tenants/sql talk SQL', () => {
    const users = files.filter((file) =>
      /from '(?:kysely|pg|node:sqlite)'/.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(users.filter((file) => !file.startsWith('tenants/sql/'))).toEqual([]);
  });

  test('loads Prometheus’ and OpenTelemetry’s packages only in files that are loaded when they are configured', () => {
    const users = files.filter((file) =>
      /^import (?!type).* from '(?:prom-client|@opentelemetry\/)/m.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(users.length).toBeGreaterThan(3);
    const loaders = imports.filter(
      ({ from, to, isTypeOnly }) => users.includes(to) && !users.includes(from) && !isTypeOnly,
    );
    expect([...new Set(loaders.map(({ from }) => from))].sort()).toEqual(['compose-telemetry.ts']);
  });

  test('lets only dev load the emulator', () => {
    const users = imports.filter(({ from, to }) => partOf(to) === 'emulator' && partOf(from) !== 'emulator');
    expect([...new Set(users.map(({ from }) => from))].sort()).toEqual(['cli/dev-welcome.ts', 'cli/dev.ts']);
  });

  test('reads process only in main, and has no file over 400 lines', () => {
    const readers = files.filter((file) =>
      /\bprocess\.(?:env|argv|exit|on|std)/.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(readers).toEqual(['main.ts']);
    const long = files.filter((file) => readFileSync(join(SRC, file), 'utf8').split('\n').length > 400);
    expect(long).toEqual([]);
  });
});
