import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

/** Runs a sample in the working folder and returns what it prints. Rejects if the service refuses it. */
export type RunSample = (name: string, sample: string) => Promise<string>;

const CLIENT = pathToFileURL(join(import.meta.dirname, '..', '..', 'clients', 'typescript', 'src', 'index.ts')).href;
const TIMEOUT_MS = 120_000;

/** The status goes to the end of the output. The sample itself stays as it is shown. */
const STATUS = `curl() { command curl -sS --write-out '\\n%{http_code}' "$@"; }\n`;

export const runCurl: RunSample = async (_name, sample) => {
  const { stdout } = await promisify(execFile)('sh', ['-c', `${STATUS}${sample}`], { timeout: TIMEOUT_MS });
  const end = stdout.lastIndexOf('\n');
  const [content, status] = [stdout.slice(0, end), Number(stdout.slice(end + 1))];
  if (status < 200 || status > 299) throw new Error(`${status} ${content}`);
  return content;
};

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@vaultspan/client' ? { url: CLIENT, shortCircuit: true } : next(specifier, context),
});

let imports = 0;

export const runTypescript: RunSample = async (name, sample) => {
  const file = resolve(`${name}.ts`);
  writeFileSync(file, sample);
  const printed: unknown[] = [];
  const { log } = console; // biome-ignore lint/suspicious/noConsole: samples print
  console.log = (value: unknown) => printed.push(value);
  try {
    imports += 1;
    await import(`${pathToFileURL(file).href}?${imports}`);
  } finally {
    console.log = log;
  }
  return textOf(printed[0]);
};

/** Starts one Python for all samples, with the client's sources. */
export async function runPython(python: string, clientSources: string) {
  const driver = join(import.meta.dirname, 'run_samples.py');
  const child = spawn(python, [driver], {
    env: { ...process.env, PYTHONPATH: clientSources },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const run: RunSample = async (name, sample) => {
    const file = resolve(`${name}.py`);
    writeFileSync(file, sample);
    child.stdin.write(`${file}\n`);
    const { value } = await lines.next();
    const { printed, error } = JSON.parse(String(value)) as { readonly printed?: unknown; readonly error?: string };
    if (error !== undefined) throw new Error(error);
    return textOf(printed);
  };
  return { run, [Symbol.asyncDispose]: async () => void child.stdin.end() };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
