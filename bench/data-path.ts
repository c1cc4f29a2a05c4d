import { join } from 'node:path';
import process from 'node:process';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { median } from '../test/support/statistics.ts';
import { startMeasured } from './cpu.ts';
import { callOf, PATIENT, rowsNamed } from './data-rows.ts';
import { openBenchSite } from './product.ts';
import { type Load, type Measured, wrk } from './wrk.ts';

/**
 * CPU of the server per request, product and bare servers, each row and run in turn. Arguments name
 * rows; without any, all.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);

const site = await openBenchSite();
const bare = (kind: string) => startMeasured(join(import.meta.dirname, 'bare-server.ts'), [kind]);
const servers = { product: await site.startProduct(PATIENT), express: await bare('express'), http: await bare('http') };
const names = ['product', 'express', 'http'] as const;

const chosen = rowsNamed(process.argv.slice(2));
const table: string[][] = [];
const results: object[] = [];
for (const row of chosen) {
  const loads = new Map<string, Load>();
  for (const name of names) {
    const body = await row.body(callOf(servers[name], site.token));
    loads.set(name, { paths: [row.path], body, token: site.token });
    await measureOne(name, loads, 1); // warm
  }
  const runs: Record<(typeof names)[number], Measured[]> = { product: [], express: [], http: [] };
  for (let run = 0; run < RUNS; run += 1) {
    for (const name of names) runs[name].push(await measureOne(name, loads, SECONDS));
  }
  const costs = (name: (typeof names)[number]) => runs[name].map(({ cpuMicroseconds }) => cpuMicroseconds);
  const cpu = (name: (typeof names)[number]) => median(costs(name));
  const ratio = cpu('product') / cpu('express');
  // The runs that other work on the machine disturbed least.
  const leastRatio = Math.min(...costs('product')) / Math.min(...costs('express'));
  const rate = median(runs.product.map(({ requestsPerSecond }) => requestsPerSecond));
  const p99 = median(runs.product.map(({ p99Milliseconds }) => p99Milliseconds));
  results.push({
    row: row.name,
    ...Object.fromEntries(names.map((name) => [name, cpu(name)])),
    ratio,
    leastRatio,
    costs: Object.fromEntries(names.map((name) => [name, costs(name)])),
    target: row.ratio,
    requestsPerSecond: rate,
    p99Milliseconds: p99,
  });
  table.push([
    row.name,
    ...names.map((name) => cpu(name).toFixed(0)),
    ratio.toFixed(2),
    leastRatio.toFixed(2),
    row.ratio.toFixed(2),
    rate.toFixed(0),
    p99.toFixed(1),
  ]);
  process.stderr.write(
    `${row.name}: ${names.map((name) => cpu(name).toFixed(0)).join(' ')} ${ratio.toFixed(2)} ${leastRatio.toFixed(2)}\n`,
  );
}
for (const name of names) await servers[name].stop();
await site.close();
printTable(
  `Data path: server CPU, µs a request, median of ${RUNS} runs of ${SECONDS} s; ${describeMachine()}`,
  ['work', 'ours', 'bare Express', 'bare http', 'ours ÷ Express', 'of the least', 'aim', 'requests/s', 'p99 ms'],
  table,
);
await writeResults('data-path', results);

function measureOne(name: (typeof names)[number], loads: ReadonlyMap<string, Load>, seconds: number) {
  const load = loads.get(name);
  if (!load) throw new Error(`no load for ${name}`);
  return wrk(servers[name], load, seconds, site.folder);
}
