import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { freePorts } from '../test/support/free-ports.ts';
import { median } from '../test/support/statistics.ts';
import { openBenchSite } from './product.ts';

/** From the start of the process until /readyz answers 200. */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const ASK_EVERY_MS = 5;
/**
 * Ports of the control listener, Entra, and a vault for home and for each of the four demo
 * customers.
 */
const EMULATOR_PORTS = 7;
const main = join(import.meta.dirname, '..', 'src', 'main.ts');
const productServer = join(import.meta.dirname, 'product-server.ts');

/** Returns milliseconds. */
async function timed(args: readonly string[], port: number, cwd: string): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = once(child, 'exit');
  while (!(await isReady(port))) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`);
    await sleep(ASK_EVERY_MS);
  }
  const milliseconds = performance.now() - startedAt;
  child.kill('SIGTERM');
  await exited;
  return milliseconds;
}

const isReady = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

const dev = async (cwd: string): Promise<number> => {
  const port = await freePorts(1);
  const emulatorPort = (await freePorts(EMULATOR_PORTS)) + 1;
  const args = ['dev', '--port', String(port), '--emulator-port', String(emulatorPort)];
  return timed([main, ...args], port, cwd);
};

const site = await openBenchSite();
const times = { file: [] as number[], fresh: [] as number[], again: [] as number[] };
for (let run = 0; run < RUNS; run += 1) {
  const port = await freePorts(1);
  const config = await site.writeConfig({ http: { port, drainSeconds: 0 } });
  times.file.push(await timed([productServer, config], port, site.folder));
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-bench-'));
  times.fresh.push(await dev(folder));
  times.again.push(await dev(folder));
  await rm(folder, { recursive: true, force: true });
}
await site.close();

const results = [
  { start: 'with a file of tenants', target: 1_000, times: times.file },
  { start: 'vaultspan dev, its first', target: 3_000, times: times.fresh },
  { start: 'vaultspan dev, again', target: 3_000, times: times.again },
].map(({ times: all, ...row }) => ({ ...row, milliseconds: median(all), most: Math.max(...all) }));
printTable(
  `Start-up: ms until ready, median of ${RUNS}; ${describeMachine()}`,
  ['start', 'ms', 'most', 'aim'],
  results.map(({ start, milliseconds, most, target }) => [
    start,
    milliseconds.toFixed(0),
    most.toFixed(0),
    String(target),
  ]),
);
await writeResults('start-up', results);
