import process from 'node:process';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { freePorts } from '../test/support/free-ports.ts';
import { startCrew } from '../test/support/process-crew.ts';
import { median } from '../test/support/statistics.ts';
import { type MeasuredServer, usageOf } from './cpu.ts';
import { openBenchSite } from './product.ts';
import { type Measured, wrk } from './wrk.ts';

/**
 * Two processes that share a port, started separately and by one parent, compared with one: CPU of
 * all of them per request, the parent's included.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);

const site = await openBenchSite();
const plaintext = Buffer.alloc(1_024, 7).toString('base64');
const load = { paths: ['/tenants/contoso/encrypt'], body: { plaintext }, token: site.token };

/** Starts so many processes on one port, as one server. */
async function start(count: number): Promise<MeasuredServer> {
  const port = await freePorts(1);
  const config = { http: { port, reusePort: true, drainSeconds: 0 } };
  const processes = await Promise.all(Array.from({ length: count }, () => site.startProduct(config)));
  return {
    url: `http://127.0.0.1:${port}`,
    usage: async () => {
      const usages = await Promise.all(processes.map((one) => one.usage()));
      return usages.reduce((sum, usage) => ({
        cpuMicroseconds: sum.cpuMicroseconds + usage.cpuMicroseconds,
        residentBytes: sum.residentBytes + usage.residentBytes,
      }));
    },
    stop: async () => {
      for (const one of processes) await one.stop();
    },
  };
}

/** Starts so many processes as `serve --processes` does, as one server. */
async function startByParent(count: number): Promise<MeasuredServer> {
  const port = await freePorts(1);
  const crew = startCrew(await site.writeConfig({ http: { port, drainSeconds: 0 } }), count);
  await crew.logged('all processes listen');
  const pids = [crew.parent.pid ?? 0, ...(await crew.pids())];
  return {
    url: `http://127.0.0.1:${port}`,
    usage: async () => {
      const usages = await Promise.all(pids.map(usageOf));
      return usages.reduce((sum, usage) => ({
        cpuMicroseconds: sum.cpuMicroseconds + usage.cpuMicroseconds,
        residentBytes: sum.residentBytes + usage.residentBytes,
      }));
    },
    stop: async () => {
      crew.parent.kill('SIGTERM');
      await crew.exit;
    },
  };
}

const KINDS = ['1', '2, started separately', '2, by one parent'] as const;
const servers = await Promise.all([start(1), start(2), startByParent(2)]);
const runs = servers.map((): Measured[] => []);
for (const server of servers) await wrk(server, load, 2, site.folder); // warm
for (let run = 0; run < RUNS; run += 1) {
  for (const [at, server] of servers.entries()) runs[at]?.push(await wrk(server, load, SECONDS, site.folder));
}
for (const server of servers) await server.stop();
await site.close();

const cost = (all: readonly Measured[] = []) => median(all.map(({ cpuMicroseconds }) => cpuMicroseconds));
const results = KINDS.map((processes, at) => ({
  processes,
  cpuMicroseconds: cost(runs[at]),
  ratio: cost(runs[at]) / cost(runs[0]),
  requestsPerSecond: median((runs[at] ?? []).map(({ requestsPerSecond }) => requestsPerSecond)),
}));
printTable(
  `Processes on one port: encrypt 1 KiB, median of ${RUNS} runs of ${SECONDS} s; ${describeMachine()}`,
  ['processes', 'CPU, µs a request', 'of one', 'requests/s'],
  results.map((row) => [
    row.processes,
    row.cpuMicroseconds.toFixed(1),
    row.ratio.toFixed(2),
    row.requestsPerSecond.toFixed(0),
  ]),
);
await writeResults('processes', results);
