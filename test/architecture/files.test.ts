import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { cyclesOf, filesMatching, importsOf, packagesOf, readTree, type SourceTree } from '../support/source-tree.ts';

const MOST_LINES_OF_A_FILE = 400;

const SDK = /from '@azure\//;
const SQL = /from '(?:kysely|pg|node:sqlite)'/;
const WRAP_ALGORITHM = /'(?:RSA-OAEP|A\d{3}KW)/;
const RANDOM = /\brandom(?:Bytes|Fill|FillSync|Int)\b|getRandomValues|generateKey(?:Sync)?\b/;
const EXPRESS = /from '(?:express|helmet)'/;
const PROCESS = /\bprocess\.(?:env|argv|exit|on|std)/;

/**
 * Their interfaces of the database are in their own folders; `database/tables` implements these.
 */
const SEES_NO_DATABASE = ['audit/', 'operations/', 'rounds/'];

const importersOf = (files: SourceTree, folder: string, of: readonly string[]): readonly string[] =>
  importsOf(files)
    .filter(({ from, to }) => to.startsWith(folder) && of.some((one) => from.startsWith(one)))
    .map(({ from }) => from);

const tree = readTree(join(import.meta.dirname, '..', '..', 'src'));
const treeOf = (files: Readonly<Record<string, string>>): SourceTree => new Map(Object.entries(files));

describe('each file of src', () => {
  test('is in no cycle of imports, not even of types', () => {
    expect(cyclesOf(tree)).toEqual([]);
    const broken = treeOf({ 'a.ts': "import type { B } from './b.ts';", 'b.ts': "import type { A } from './a.ts';" });
    expect(cyclesOf(broken)).toEqual(['a.ts → b.ts → a.ts']);
  });

  test('imports the SDK only in azure', () => {
    expect(filesMatching(tree, SDK, ['azure/'])).toEqual([]);
    expect(filesMatching(treeOf({ 'http/a.ts': "from '@azure/identity'" }), SDK, ['azure/'])).toEqual(['http/a.ts']);
  });

  test('contains SQL only in database', () => {
    expect(filesMatching(tree, SQL, ['database/'])).toEqual([]);
    expect(filesMatching(treeOf({ 'audit/a.ts': "from 'kysely'" }), SQL, ['database/'])).toEqual(['audit/a.ts']);
  });

  test('uses the database only through interfaces of its own in audit, operations and rounds', () => {
    expect(importersOf(tree, 'database/', SEES_NO_DATABASE)).toEqual([]);
    const broken = treeOf({ 'audit/shipping/a.ts': "import type { T } from '../../database/tables/t.ts';" });
    expect(importersOf(broken, 'database/', SEES_NO_DATABASE)).toEqual(['audit/shipping/a.ts']);
  });

  test('names wrap algorithms in one table only, except for examples of the contract', () => {
    expect(filesMatching(tree, WRAP_ALGORITHM, ['emulator/', 'http/contract/'])).toEqual(['format/wrap-algorithms.ts']);
    expect(filesMatching(treeOf({ 'azure/a.ts': "alg === 'RSA-OAEP'" }), WRAP_ALGORITHM)).toEqual(['azure/a.ts']);
  });

  test('draws random bytes only in lib/random; salts of the audit chain are no keys', () => {
    const apart = ['emulator/', 'audit/chain/chain.ts'];
    expect(filesMatching(tree, RANDOM, apart)).toEqual(['lib/random.ts']);
    expect(filesMatching(treeOf({ 'keyring/a.ts': 'const key = randomBytes(32);' }), RANDOM)).toEqual(['keyring/a.ts']);
  });

  test('uses Express only in http and app', () => {
    expect(filesMatching(tree, EXPRESS, ['http/', 'app.ts', 'compose/listener.ts'])).toEqual([]);
    expect(filesMatching(treeOf({ 'audit/a.ts': "from 'express'" }), EXPRESS, ['http/', 'app.ts'])).toEqual([
      'audit/a.ts',
    ]);
  });

  test('loads the emulator only in dev', () => {
    const users = importsOf(tree).filter(({ from, to }) => to.startsWith('emulator/') && !from.startsWith('emulator/'));
    expect([...new Set(users.map(({ from }) => from))].sort()).toEqual([
      'cli/commands/dev.ts',
      'cli/support/dev-welcome.ts',
    ]);
    expect(
      importsOf(tree).filter(({ from, to }) => from.startsWith('emulator/') && !to.startsWith('emulator/')),
    ).toEqual([]);
  });

  test("loads Prometheus' and OpenTelemetry's packages only if they are configured", () => {
    const users = [...tree].flatMap(([file, text]) =>
      packagesOf(text).some((name) => /^(?:prom-client|@opentelemetry\/)/.test(name)) ? [file] : [],
    );
    expect(users.length).toBeGreaterThan(3);
    const loads = importsOf(tree).filter(({ isTypeOnly }) => !isTypeOnly);
    // A file that only users load is a part of them.
    const parts = [...tree.keys()].filter((file) => {
      const from = loads.filter(({ to }) => to === file);
      return from.length > 0 && from.every((load) => users.includes(load.from));
    });
    const isUser = (file: string) => users.includes(file) || parts.includes(file);
    const loaders = loads.filter(({ from, to }) => users.includes(to) && !isUser(from));
    expect([...new Set(loaders.map(({ from }) => from))].sort()).toEqual(['compose/telemetry.ts']);
  });

  test('reads process only in main, and for its commands in process-io', () => {
    expect(filesMatching(tree, PROCESS)).toEqual(['main.ts', 'cli/support/process-io.ts']);
    expect(filesMatching(treeOf({ 'a.ts': 'process.env.HOME' }), PROCESS)).toEqual(['a.ts']);
  });

  test('is at most as long as a reader can follow', () => {
    const long = [...tree].filter(([, text]) => text.split('\n').length > MOST_LINES_OF_A_FILE);
    expect(long.map(([file]) => file)).toEqual([]);
  });
});
