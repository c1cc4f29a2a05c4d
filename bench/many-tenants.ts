import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import process from 'node:process';
import { migrate } from '../src/database/migrations/migrations.ts';
import { type DatabaseOptions, openDatabase } from '../src/database/open-database.ts';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { median } from '../test/support/statistics.ts';
import { register, registerMany } from './bulk-register.ts';
import type { MeasuredServer } from './cpu.ts';
import { openBenchSite } from './product.ts';
import { type Load, type Measured, wrk } from './wrk.ts';

/**
 * CPU of a request with few and with many tenants in the registry; the same 100 tenants make the
 * requests in turn.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const CALLING = 100;
const MANY = Number(process.env['BENCH_TENANTS'] ?? 100_000);

interface Case {
  readonly database: string;
  readonly tenants: number;
  readonly server: MeasuredServer;
  readonly runs: Measured[];
}

const site = await openBenchSite({ customers: CALLING - 1 });
const load: Load = {
  paths: site.tenants.map(({ id }) => `/tenants/${id}/encrypt`),
  body: { plaintext: Buffer.alloc(1_024, 7).toString('base64') },
  token: site.token,
};

async function start(database: string, tenants: number): Promise<Case> {
  const url = database === 'PostgreSQL' ? await emptyDatabase() : undefined;
  const file = join(site.folder, `${tenants}-${randomInt(2 ** 32)}.db`);
  await fill(url === undefined ? { file } : { url }, tenants);
  // Audit records stay in their files: another benchmark covers their shipping.
  const audit = { directory: join(site.folder, `audit-${database}-${tenants}`), ...(url && { database: false }) };
  const server = await site.startProduct({ registry: {}, database: url === undefined ? { file } : { url }, audit });
  await wrk(server, load, 2, site.folder); // warm
  return { database, tenants, server, runs: [] };
}

async function fill(options: DatabaseOptions, tenants: number): Promise<void> {
  await migrate(options);
  const database = await openDatabase(options);
  await register(database, site.tenants);
  await registerMany(database, tenants - CALLING);
  await database.close();
}

const results: { database: string; tenants: number; cpuMicroseconds: number; ratio: number }[] = [];
for (const database of ['SQLite', 'PostgreSQL']) {
  const cases = [await start(database, CALLING), await start(database, MANY)];
  for (let run = 0; run < RUNS; run += 1) {
    for (const { server, runs } of cases) runs.push(await wrk(server, load, SECONDS, site.folder));
  }
  for (const { server } of cases) await server.stop();
  const costs = cases.map(({ runs }) => median(runs.map(({ cpuMicroseconds }) => cpuMicroseconds)));
  for (const [at, { tenants }] of cases.entries()) {
    const cpuMicroseconds = costs[at] ?? Number.NaN;
    results.push({ database, tenants, cpuMicroseconds, ratio: cpuMicroseconds / (costs[0] ?? Number.NaN) });
  }
}
await site.close();
printTable(
  `Many tenants: encrypt 1 KiB for ${CALLING} of them in turn, median of ${RUNS} runs of ${SECONDS} s; ${describeMachine()}`,
  ['database', 'tenants', 'CPU, µs a request', `of that with ${CALLING}`],
  results.map((row) => [row.database, String(row.tenants), row.cpuMicroseconds.toFixed(1), row.ratio.toFixed(2)]),
);
await writeResults('many-tenants', results);
