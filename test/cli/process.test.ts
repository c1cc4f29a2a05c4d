import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePorts } from '../support/free-ports.ts';
import { answeringService, hangingService } from '../support/hanging-service.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Longest start of a process on a busy machine. */
const START_MS = 60_000;

let folder: string;
const started: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-process-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) killGroup(child);
  await rm(folder, { recursive: true, force: true });
});

/** Kills a process and those that it started and left behind. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // None of them runs any more.
  }
}

function start(command: string, args: readonly string[], cwd: string, env: Record<string, string> = {}) {
  const options = { cwd, env: { ...process.env, ...env }, detached: true } as const;
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  // The pipes close after the last process that could write to them has ended.
  return { child, out: () => out, err: () => err, exit: once(child, 'exit'), close: once(child, 'close') };
}

describe('a command that receives a signal', () => {
  test.each<[string, readonly NodeJS.Signals[]]>([
    ['once', ['SIGTERM']],
    ['twice at once', ['SIGINT', 'SIGINT']],
    ['by a terminal that closes', ['SIGHUP']],
    ['by SIGQUIT', ['SIGQUIT']],
  ])('%s leaves no part of a plaintext', async (_case, signals) => {
    await using service = await hangingService('half an answer');
    await writeFile(join(folder, 'scan.vspn'), 'sealed');
    const env = { VAULTSPAN_URL: service.url, VAULTSPAN_TOKEN: 'token' };
    const args = [join(ROOT, 'src/main.ts'), 'decrypt-file', 'scan.vspn', '--tenant', 'contoso'];
    const run = start(process.execPath, args, folder, env);
    await until(async () => (await readdir(folder)).length === 2, 'the part is there');
    for (const signal of signals) run.child.kill(signal);
    const [code, signal] = await run.exit;
    expect([code === 0, signal]).toEqual([false, null]);
    expect(await readdir(folder)).toEqual(['scan.vspn']);
  });
});

test('a slow reader of the plaintext is waited for, longer than the service is', async () => {
  await using service = await answeringService(Buffer.alloc(5_000_000, 'plaintext'));
  await writeFile(join(folder, 'scan.vspn'), 'sealed');
  const env = { ...process.env, VAULTSPAN_URL: service.url, VAULTSPAN_TOKEN: 'token' };
  const args = ['decrypt-file', 'scan.vspn', '--tenant', 'contoso', '-o', '-', '--timeout', '1'];

  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts'), ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'readable');
  await sleep(3_000);
  let length = 0;
  for await (const piece of child.stdout) length += (piece as Buffer).length;
  expect([length, child.exitCode ?? (await once(child, 'exit'))[0]]).toEqual([5_000_000, 0]);
});

describe('a checkout in a folder with an odd name', () => {
  /** Of the service, the control listener, Entra and five vaults. */
  const PORTS = 8;
  let checkout: string;
  beforeEach(async () => {
    checkout = join(folder, 'C# proj 100% ü');
    await mkdir(checkout);
    for (const part of ['bin', 'src', 'package.json', 'openapi.yaml']) {
      await cp(join(ROOT, part), join(checkout, part), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
  });

  test('starts', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
    const asked = start(process.execPath, ['bin/vaultspan.js', '--version'], checkout);
    expect([...(await asked.exit), asked.out(), asked.err()]).toEqual([0, null, `${version}\n`, '']);
  });

  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT', 'SIGKILL'])(
    'npm start leaves no process behind after a %s that only npm gets',
    async (signal) => {
      const port = await freePorts(PORTS);
      // The emulator's control listener takes the port before the emulator's first.
      const args = ['start', '--', '--port', `${port}`, '--emulator-port', `${port + 2}`];
      const run = start('npm', args, checkout, { npm_config_update_notifier: 'false' });
      await until(() => run.out().includes('Stop with Ctrl-C'), 'the welcome', START_MS);
      run.child.kill(signal);
      await run.close;
      await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
    },
    2 * START_MS,
  );
});
