import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { median } from '../test/support/statistics.ts';
import type { MeasuredServer } from './cpu.ts';
import { openBenchSite } from './product.ts';
import { wrk } from './wrk.ts';

/**
 * Memory of one process with many active tenants, each with a directory, a vault, and a data key
 * that seals and opens.
 */
const TENANTS = Number(process.env['BENCH_TENANTS'] ?? 10_000);
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const CALLERS = 16;
const MIB = 1_048_576;
/** Node keeps an idle connection to a vault for 5 s. */
const UNTIL_IDLE_MS = 8_000;
const body = { plaintext: Buffer.alloc(1_024, 7).toString('base64') };

const site = await openBenchSite({ customers: TENANTS - 1 });
// A proof of access lasts longer than the measurement, which concerns held memory only.
const product = await site.startProduct({ revocation: { boundSeconds: 3_600 } });
const resident = async (server: MeasuredServer) => (await server.usage()).residentBytes;
const rows: { when: string; residentMib: number }[] = [];
const note = async (when: string) => rows.push({ when, residentMib: (await resident(product)) / MIB });

await note('started, the registry read');
const paths = site.tenants.map(({ id }) => `/tenants/${id}/encrypt`);
const waiting = [...paths];
const startedAt = performance.now();
await Promise.all(
  Array.from({ length: CALLERS }, async () => {
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      const response = await fetch(product.url + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${site.token}` },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
      await response.arrayBuffer();
    }
  }),
);
const coldSeconds = (performance.now() - startedAt) / 1_000;
await note('all have made their first call');
await sleep(UNTIL_IDLE_MS);
await note('their connections have gone idle and closed');

const few = { paths: paths.slice(0, 1), body, token: site.token };
const many = { ...few, paths };
await wrk(product, many, 2 * SECONDS, site.folder);
const runs = { one: [] as number[], all: [] as number[] };
for (let run = 0; run < RUNS; run += 1) {
  runs.one.push((await wrk(product, few, SECONDS, site.folder)).cpuMicroseconds);
  runs.all.push((await wrk(product, many, SECONDS, site.folder)).cpuMicroseconds);
}
await note('after warm calls of all');
await product.stop();
await site.close();

const [one, all] = [median(runs.one), median(runs.all)];
printTable(
  `Active tenants: ${TENANTS} in one process, first calls at ${(TENANTS / coldSeconds).toFixed(0)}/s; ${describeMachine()}`,
  ['when', 'resident, MiB'],
  rows.map(({ when, residentMib }) => [when, residentMib.toFixed(0)]),
);
process.stdout.write(
  `\nA warm encrypt of 1 KiB: ${one.toFixed(1)} µs CPU for one tenant, ${all.toFixed(1)} for all of them in turn\n`,
);
await writeResults('active-tenants', [
  ...rows,
  { oneTenant: one, allTenants: all, firstCallsPerSecond: TENANTS / coldSeconds },
]);
