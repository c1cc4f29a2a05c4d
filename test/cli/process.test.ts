import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePorts } from '../support/free-ports.ts';
import { answeringService, hangingService } from '../support/hanging-service.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Of the service, the control listener, Entra and five vaults. */
const PORTS = 8;
/** Longest start of a process on a busy machine. */
const START_MS = 120_000;

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
  const args = ['decrypt-file', 'scan.vspn', '--tenant', 'contoso', '-o', '-', '--timeout', '5'];

  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts'), ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'readable');
  await sleep(7_000);
  let length = 0;
  for await (const piece of child.stdout) length += (piece as Buffer).length;
  expect([length, child.exitCode ?? (await once(child, 'exit'))[0]]).toEqual([5_000_000, 0]);
});

describe('a Node that is too old', () => {
  const OLD = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.1.0"})';
  const args = ['--import', OLD, 'bin/vaultspan.js', '--version'];
  beforeEach(async () => {
    for (const part of ['bin', 'src', 'package.json']) {
      await cp(join(ROOT, part), join(folder, part), { recursive: true });
    }
  });

  test('is told in a line, with exit code 2', async () => {
    const run = start(process.execPath, args, folder);
    expect([...(await run.exit), run.out(), run.err()]).toEqual([
      2,
      null,
      '',
      'vaultspan: Node 20.1.0 is too old: run it with Node 26 or newer\n',
    ]);
  });

  test('hands over to the Node that npm installed beside it, and passes its exit code on', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const run = start(process.execPath, args, folder);
    expect([...(await run.exit), run.out(), run.err()]).toEqual([0, null, `${version}\n`, '']);
    const wrong = start(process.execPath, args.with(3, 'nope'), folder);
    expect(await wrong.exit).toEqual([2, null]);
  });
});

describe('the audit chain is closed', () => {
  let token: string;
  let service: ReturnType<typeof start>;
  let url: string;
  beforeEach(async () => {
    const port = await freePorts(PORTS);
    url = `http://127.0.0.1:${port}`;
    const args = ['dev', '--port', `${port}`, '--emulator-port', `${port + 2}`];
    service = start(process.execPath, [join(ROOT, 'src/main.ts'), ...args], folder);
    await until(() => service.out().includes('Stop with Ctrl-C'), 'the welcome', START_MS);
    const signIn = start(process.execPath, [join(ROOT, 'src/main.ts'), 'token'], folder);
    await signIn.close;
    token = signIn.out().trim();
  }, START_MS);

  /** Starts a stream that never ends: the drain would wait for it. */
  async function neverEnding(): Promise<void> {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/octet-stream' };
    const req = request(`${url}/tenants/contoso/streams/encrypt`, { method: 'POST', headers });
    req.on('error', () => undefined).write(Buffer.alloc(3_000_000));
    const [answer] = (await once(req, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(200);
    answer.on('error', () => undefined).resume();
  }

  test.each<[string, readonly NodeJS.Signals[]]>([
    ['one signal', ['SIGTERM']],
    ['two signals, the second while the drain waits for a request', ['SIGTERM', 'SIGTERM']],
  ])(
    'by %s',
    async (_case, signals) => {
      const [first, second] = signals;
      if (second) await neverEnding();
      service.child.kill(first);
      if (second) {
        await until(async () => (await statusOf(`${url}/readyz`)) !== 200, 'the drain began');
        service.child.kill(second);
      }
      expect(await service.exit).toEqual([0, null]);
      const files = await readdir(join(folder, '.vaultspan', 'audit'));
      const texts = await Promise.all(files.map((file) => readFile(join(folder, '.vaultspan', 'audit', file), 'utf8')));
      const last = texts.map(
        (text) => JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as { readonly type: string },
      );
      expect(last.map(({ type }) => type)).toEqual(['close']);
    },
    2 * START_MS,
  );
});

const statusOf = async (address: string): Promise<number> =>
  (await fetch(address).catch(() => Response.error())).status;

describe('a checkout in a folder with an odd name', () => {
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
