// Runs the code that the API reference shows, of every operation in every language, against a service:
// node try-samples.ts URL PYTHON, with a token of all roles in TOKEN. PYTHON has the packages of clients/python.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parse } from 'yaml';
import { type Contract, type Operation, operationsOf } from '../../console/reference/src/contract.ts';
import { createExchanges } from '../../console/reference/src/samples/exchanges.ts';
import { prepared } from '../../console/reference/src/samples/preparations.ts';
import { exampleInputs, type Inputs, send } from '../../console/reference/src/samples/request.ts';
import { LANGUAGES, type Language, sampleOf } from '../../console/reference/src/samples/samples.ts';
import { type RunSample, runCurl, runPython, runTypescript } from './run-sample.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CHECKPOINT_MS = 120_000;
const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const python = process.argv[3] ?? assert.fail('Name a Python');
const token = process.env['TOKEN'] ?? assert.fail('Set TOKEN');

/** What takes a tenant out of service comes last, in this order, on one that the other samples do not use. */
const LAST = ['suspendTenant', 'deleteTenant', 'restoreTenant', 'resumeTenant'];

const base = `${url}/`;
const contract = parse(readFileSync(join(ROOT, 'openapi.yaml'), 'utf8')) as Contract;
const operations = operationsOf(contract);
const inOrder = operations.toSorted((a, b) => LAST.indexOf(a.id) - LAST.indexOf(b.id));
const exchanges = createExchanges({ contract, operations, call: (request) => send(base, request, token) });

/** Returns inputs that the service accepts, found as the page finds them. */
function inputsOf(operation: Operation): Promise<Inputs> {
  const example = exampleInputs(operation);
  const parameters = LAST.includes(operation.id) ? { ...example.parameters, tenantId: 'adatum' } : example.parameters;
  return prepared(operation, { ...example, parameters }, exchanges);
}

async function checkpoint(): Promise<void> {
  const deadline = performance.now() + CHECKPOINT_MS;
  for (;;) {
    try {
      await exchanges.send('encryptData');
      await exchanges.send('getLogCheckpoint');
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'samples-'));
try {
  process.env['VAULTSPAN_TOKEN'] = token;
  process.chdir(folder);
  await checkpoint();
  await using runner = await runPython(python, join(ROOT, 'clients', 'python', 'src'));
  const runners: Readonly<Record<Language, RunSample>> = { curl: runCurl, TypeScript: runTypescript, Python: runner.run };
  const faults: string[] = [];
  for (const language of LANGUAGES) {
    for (const operation of inOrder) {
      const inputs = await inputsOf(operation);
      if (typeof inputs.body !== 'string') writeFileSync(inputs.body.name, await inputs.body.bytes());
      const sample = sampleOf(language, base, operation, inputs);
      try {
        const printed = await runners[language](operation.id, sample);
        exchanges.keep(operation.id, { sent: inputs, headers: new Headers(), content: new TextEncoder().encode(printed) });
      } catch (error) {
        faults.push(`${language} ${operation.id}: ${String(error)}\n${sample}`);
      }
    }
  }
  if (faults.length > 0) throw new Error(faults.join('\n\n'));
  checkTypes();
  process.stdout.write(`samples: ${operations.length} operations, each in ${LANGUAGES.join(', ')}, ran and have right types\n`);
} finally {
  process.chdir(ROOT);
  rmSync(folder, { recursive: true });
}

/** Checks the TypeScript against the client's own types, and the Python by pyright. */
function checkTypes(): void {
  symlinkSync(join(ROOT, 'node_modules'), 'node_modules');
  const compilerOptions = {
    target: 'esnext',
    module: 'esnext',
    moduleResolution: 'bundler',
    moduleDetection: 'force',
    lib: ['esnext'],
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    paths: { '@vaultspan/client': [join(ROOT, 'clients', 'typescript', 'src', 'index.ts')] },
  };
  writeFileSync('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  run(join(ROOT, 'node_modules', '.bin', 'tsc'), []);
  const extraPaths = [join(ROOT, 'clients', 'python', 'src')];
  writeFileSync('pyrightconfig.json', JSON.stringify({ extraPaths, include: ['*.py'], typeCheckingMode: 'standard' }));
  run(join(python, '..', 'pyright'), ['--pythonpath', python]);
}

function run(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new Error(`${command} found wrong types:\n${said}`, { cause: error });
  }
}
