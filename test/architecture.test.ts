import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  type Allowances,
  crowdedFolders,
  cyclesOf,
  filesMatching,
  folderCyclesOf,
  folderOf,
  forbiddenImports,
  importsOf,
  packagesOf,
  readTree,
  type SourceTree,
  unusedAllowances,
} from './support/source-tree.ts';

/**
 * The folders that each folder may import besides itself: `main → cli → compose → app → http →
 * operations → {callers, tenants, keyring, audit} → format → {lib, errors}`, never back. Only
 * compose, the commands and database know SQL; only compose and the commands know Azure.
 */
const MAY_IMPORT: Allowances = {
  app: [
    'callers',
    'http/admission',
    'http/answers',
    'http/pages',
    'http/routes',
    'http/server',
    'operations',
    'operations/audit',
    'operations/drills',
    'operations/onboarding',
  ],
  audit: ['lib'],
  'audit/chain': ['audit', 'errors'],
  'audit/pages': ['audit', 'audit/chain', 'errors', 'lib'],
  'audit/retention': ['audit', 'audit/chain', 'lib'],
  'audit/receipts': ['audit', 'audit/chain', 'lib'],
  'audit/siem': ['audit', 'lib'],
  'audit/usage': ['audit'],
  'audit/shipping': ['audit', 'audit/chain', 'audit/retention', 'lib'],
  'audit/verify': ['audit', 'audit/chain', 'lib'],
  azure: ['errors', 'lib', 'tenants'],
  'azure/doctor': ['azure', 'azure/graph', 'azure/vault', 'errors', 'format', 'keyring', 'lib', 'tenants'],
  'azure/entra': ['azure', 'azure/home', 'azure/vault', 'errors', 'lib'],
  'azure/graph': ['azure', 'azure/entra', 'lib', 'tenants'],
  'azure/home': ['azure', 'errors', 'format', 'keyring', 'lib'],
  'azure/siem': ['audit/siem', 'azure', 'azure/entra', 'errors', 'lib', 'tenants'],
  'azure/vault': ['azure', 'azure/entra', 'errors', 'format', 'keyring', 'lib', 'tenants'],
  callers: ['errors', 'lib'],
  cli: ['cli/commands', 'cli/support', 'config', 'errors', 'http/server', 'lib', 'tenants'],
  'cli/onboarding': ['azure/home', 'cli/support', 'errors', 'lib', 'operations/onboarding', 'tenants'],
  'cli/processes': ['cli/support', 'compose', 'config', 'telemetry'],
  'cli/branch-keys': ['cli/support', 'config', 'keyring', 'keyring/copies', 'lib', 'operations', 'operations/branches'],
  'cli/commands': [
    'audit',
    'audit/receipts',
    'audit/shipping',
    'audit/verify',
    'azure/home',
    'callers',
    'cli/branch-keys',
    'cli/onboarding',
    'cli/processes',
    'cli/support',
    'compose',
    'config',
    'database',
    'database/migrations',
    'database/tables',
    'emulator',
    'errors',
    'format',
    'http/answers',
    'http/server',
    'lib',
    'operations',
    'operations/audit',
    'operations/doctor',
    'operations/drills',
    'operations/indexes',
    'operations/onboarding',
    'telemetry',
    'tenants',
  ],
  'cli/support': [
    'audit',
    'audit/receipts',
    'audit/verify',
    'callers',
    'compose',
    'config',
    'emulator',
    'errors',
    'http/answers',
    'keyring/branches',
    'lib',
    'operations',
    'operations/audit',
    'operations/doctor',
    'telemetry',
    'tenants',
  ],
  compose: [
    'app',
    'audit',
    'audit/chain',
    'audit/pages',
    'audit/receipts',
    'audit/retention',
    'audit/shipping',
    'audit/siem',
    'audit/usage',
    'azure',
    'azure/doctor',
    'azure/entra',
    'azure/graph',
    'azure/home',
    'azure/siem',
    'azure/vault',
    'callers',
    'config',
    'database',
    'database/customers',
    'database/migrations',
    'database/tables',
    'database/usage',
    'format',
    'http',
    'http/admission',
    'http/server',
    'keyring',
    'keyring/branches',
    'keyring/copies',
    'lib',
    'operations',
    'operations/branches',
    'operations/doctor',
    'operations/drills',
    'operations/indexes',
    'operations/leases',
    'operations/overview',
    'operations/onboarding',
    'rounds',
    'telemetry',
    'tenants',
  ],
  config: ['azure', 'callers', 'lib', 'tenants'],
  database: ['errors', 'lib'],
  'database/lists': ['database', 'database/tables', 'lib', 'tenants'],
  'database/customers': ['database', 'lib', 'tenants'],
  'database/migrations': ['database'],
  'database/usage': ['audit', 'audit/siem', 'audit/usage', 'database', 'tenants'],
  'database/tables': [
    'audit',
    'audit/receipts',
    'audit/siem',
    'database',
    'database/lists',
    'database/migrations',
    'database/usage',
    'errors',
    'format',
    'keyring',
    'lib',
    'tenants',
  ],
  emulator: ['emulator/control', 'emulator/entra', 'emulator/ingestion', 'emulator/vault', 'emulator/x509'],
  'emulator/control': [
    'emulator',
    'emulator/entra',
    'emulator/graph',
    'emulator/ingestion',
    'emulator/vault',
    'emulator/x509',
  ],
  'emulator/entra': ['emulator', 'emulator/graph'],
  'emulator/ingestion': ['emulator', 'emulator/entra'],
  'emulator/graph': ['emulator', 'emulator/entra'],
  'emulator/vault': ['emulator', 'emulator/entra'],
  'emulator/x509': ['emulator'],
  errors: [],
  format: ['errors', 'lib'],
  http: ['callers', 'errors'],
  'http/admission': ['audit', 'callers', 'errors', 'http', 'http/answers', 'http/contract', 'lib'],
  'http/answers': ['audit', 'callers', 'errors', 'http', 'lib'],
  'http/contract': ['audit', 'callers', 'errors', 'format', 'http/answers', 'http/contract/tenants'],
  'http/contract/tenants': ['http/contract', 'tenants'],
  'http/bodies': ['errors', 'format', 'http/contract', 'lib'],
  'http/pages': [
    'errors',
    'http',
    'http/answers',
    'lib',
    'operations/audit',
    'operations/doctor',
    'operations/drills',
    'operations/onboarding',
    'tenants',
  ],
  'http/routes': [
    'callers',
    'errors',
    'format',
    'http',
    'http/admission',
    'http/answers',
    'http/bodies',
    'http/contract',
    'http/streams',
    'keyring',
    'lib',
    'operations',
    'operations/audit',
    'operations/branches',
    'operations/doctor',
    'operations/documents',
    'operations/drills',
    'operations/indexes',
    'operations/leases',
    'operations/overview',
    'operations/onboarding',
    'tenants',
  ],
  'http/server': ['errors', 'http/answers', 'lib'],
  'http/streams': ['errors', 'format', 'http/bodies', 'operations'],
  keyring: ['errors', 'format', 'keyring/branches', 'keyring/indexes', 'keyring/policy', 'lib', 'tenants'],
  'keyring/copies': ['keyring', 'lib'],
  'keyring/policy': ['errors', 'format', 'keyring', 'lib', 'tenants'],
  'keyring/branches': ['errors', 'format', 'keyring', 'lib', 'tenants'],
  'keyring/indexes': ['errors', 'format', 'keyring', 'keyring/branches', 'lib', 'tenants'],
  lib: ['errors'],
  main: ['cli', 'cli/support'],
  operations: ['audit', 'audit/siem', 'callers', 'errors', 'format', 'keyring', 'keyring/policy', 'lib', 'tenants'],
  'operations/audit': [
    'audit',
    'audit/chain',
    'audit/pages',
    'audit/receipts',
    'audit/usage',
    'callers',
    'errors',
    'format',
    'lib',
    'operations',
    'tenants',
  ],
  'operations/branches': [
    'audit',
    'callers',
    'errors',
    'format',
    'keyring',
    'keyring/branches',
    'lib',
    'operations',
    'tenants',
  ],
  'operations/drills': ['audit', 'callers', 'errors', 'keyring', 'keyring/policy', 'lib', 'operations', 'tenants'],
  'operations/documents': ['callers', 'errors', 'format', 'lib', 'operations', 'tenants'],
  'operations/indexes': [
    'audit',
    'callers',
    'errors',
    'format',
    'keyring/indexes',
    'keyring/policy',
    'operations',
    'tenants',
  ],
  'operations/leases': [
    'audit',
    'callers',
    'errors',
    'format',
    'keyring',
    'keyring/policy',
    'lib',
    'operations',
    'tenants',
  ],
  'operations/overview': ['callers', 'lib', 'operations', 'tenants'],
  'operations/doctor': [
    'audit/siem',
    'callers',
    'errors',
    'format',
    'keyring',
    'keyring/policy',
    'lib',
    'operations',
    'tenants',
  ],
  'operations/onboarding': ['callers', 'errors', 'keyring', 'lib', 'operations', 'operations/doctor', 'tenants'],
  rounds: ['lib', 'operations/doctor', 'tenants'],
  telemetry: ['lib'],
  tenants: ['errors', 'format', 'lib'],
};
const MOST_FILES_IN_A_FOLDER = 22;
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

const tree = readTree(join(import.meta.dirname, '..', 'src'));
const treeOf = (files: Readonly<Record<string, string>>): SourceTree => new Map(Object.entries(files));

describe('each folder of src', () => {
  test('is known to the rule', () => {
    expect([...new Set([...tree.keys()].map(folderOf))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  test('imports only from the folders that it may', () => {
    expect(forbiddenImports(tree, MAY_IMPORT)).toEqual([]);
    const broken = treeOf({ 'format/jwe.ts': "import type { a } from '../azure/vault/key-vault.ts';" });
    expect(forbiddenImports(broken, MAY_IMPORT)).toEqual([
      { from: 'format/jwe.ts', to: 'azure/vault/key-vault.ts', isTypeOnly: true },
    ]);
  });

  test('has no unused allowance', () => {
    expect(unusedAllowances(tree, MAY_IMPORT)).toEqual([]);
    const used = treeOf({ 'lib/retry.ts': "import { ServiceError } from '../errors.ts';" });
    expect(unusedAllowances(used, { lib: ['errors', 'tenants'] })).toEqual(['lib → tenants']);
  });

  test('is in no cycle of folders', () => {
    expect(folderCyclesOf(tree)).toEqual([]);
    const broken = treeOf({
      'a/one.ts': "import '../b/two.ts';",
      'b/x/two.ts': "import type { T } from '../../a/one.ts';",
    });
    expect(folderCyclesOf(broken)).toEqual(['a → b → a']);
  });

  test('has few enough files to be read as a list', () => {
    expect(crowdedFolders(tree, MOST_FILES_IN_A_FOLDER)).toEqual([]);
    expect(crowdedFolders(treeOf({ 'a/1.ts': '', 'a/2.ts': '', 'b/1.ts': '' }), 1)).toEqual(['a']);
  });
});

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
    const loaders = importsOf(tree).filter(
      ({ from, to, isTypeOnly }) => users.includes(to) && !users.includes(from) && !isTypeOnly,
    );
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

test('cli/commands has exactly one file for each command of the table', () => {
  const table = tree.get('cli/run-command.ts') ?? '';
  const commands = [...table.matchAll(/'\.\/commands\/([\w-]+)\.ts'/g)].map(([, name]) => `cli/commands/${name}.ts`);
  expect(commands.length).toBeGreaterThan(10);
  expect([...tree.keys()].filter((file) => file.startsWith('cli/commands/')).sort()).toEqual(commands.sort());
});
