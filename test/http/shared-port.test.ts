import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import { settingsFor } from '../support/config.ts';
import { freePorts } from '../support/free-ports.ts';
import { ALL_ROLES } from '../support/start-service.ts';
import { until } from '../support/until.ts';

/** So many that the kernel, which draws a process for each connection, does not give all to one. */
const CLIENTS = 32;

let emulator: Emulator;
let folder: string;
let token: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shared-port-'));
  emulator = await startEmulator({ firstPort: 0 });
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  token = await emulator.issueCallerToken({ roles: ALL_ROLES });
  const tenants = emulator.customers
    .filter(({ name }) => name === 'contoso')
    .map(({ tenantId, vaultUrl }) => ({
      id: 'contoso',
      entraTenantId: tenantId,
      keys: { data: { vaultUrl, name: 'data', use: 'data' } },
      defaultKey: 'data',
    }));
  await writeFile(join(folder, 'tenants.json'), JSON.stringify({ tenants }));
});
afterAll(async () => {
  await emulator.close();
  await rm(folder, { recursive: true, force: true });
});

interface SharingProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Returns the number of recorded operations. */
  served(): Promise<number>;
}

let started = 0;

async function start(http: object): Promise<SharingProcess> {
  started += 1;
  const file = join(folder, `config-${started}.json`);
  const directory = join(folder, `audit-${started}`);
  await writeFile(file, JSON.stringify({ ...settingsFor(emulator, folder), http, audit: { directory } }));
  const script = join(import.meta.dirname, '..', 'support', 'service-process.ts');
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    child,
    served: async () => {
      const texts = await Promise.all(
        (await readdir(directory)).map((name) => readFile(join(directory, name), 'utf8')),
      );
      return texts.join('').split('"outcome":"succeeded"').length - 1;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
}

/** Clients that send one request after the other over kept connections. */
class Load {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  #isOver: boolean = false;
  /** Answers by status, and failures by code. */
  readonly outcomes = new Map<string, number>();
  readonly #clients: Promise<void>[];

  constructor(port: number) {
    this.#port = port;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#client());
  }

  get failures(): number {
    return [...this.outcomes].reduce((sum, [outcome, count]) => (outcome === '200' ? sum : sum + count), 0);
  }

  get answers(): number {
    return this.outcomes.get('200') ?? 0;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #client(): Promise<void> {
    while (!this.#isOver) {
      const outcome = await this.#send().catch((error: Error & { code?: string }) => error.code ?? error.name);
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    }
  }

  #send(): Promise<string> {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    const options = { port: this.#port, path: '/tenants/contoso/encrypt', method: 'POST', headers, agent: this.#agent };
    return new Promise((resolve, reject) => {
      request(options, (res) => {
        json(res).then(() => resolve(String(res.statusCode)), reject);
      })
        .on('error', reject)
        .end('{"plaintext":"aGk="}');
    });
  }
}

test('two processes share a port: draining one loses no request, killing one loses only those on its connections', async () => {
  const http = { port: await freePorts(1), reusePort: true, drainSeconds: 10 };
  await using staying = await start(http);
  await using drained = await start(http);
  const load = new Load(http.port);
  const bothServe = async (...both: readonly SharingProcess[]) =>
    (await Promise.all(both.map((one) => one.served()))).every((count) => count > 0);
  await until(() => bothServe(staying, drained), 'both serve');
  drained.child.kill('SIGTERM');
  expect(await once(drained.child, 'exit')).toEqual([0, null]);
  const atExit = load.answers;
  await until(() => load.answers > atExit + 10 * CLIENTS, 'the other one goes on');
  await load.stop();
  expect([...load.outcomes.keys()]).toEqual(['200']);

  await using killed = await start(http);
  const further = new Load(http.port);
  await until(() => bothServe(staying, killed), 'both serve');
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  const atDeath = further.answers;
  await until(() => further.answers > atDeath + 10 * CLIENTS, 'the other one goes on');
  await further.stop();
  expect(further.failures).toBeLessThanOrEqual(CLIENTS);
  expect([...further.outcomes.keys()].filter((outcome) => !['200', 'ECONNRESET', 'EPIPE'].includes(outcome))).toEqual(
    [],
  );
}, 60_000);
