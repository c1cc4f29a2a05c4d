import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { migrate } from '../src/database/migrations/migrations.ts';
import { type DatabaseOptions, openDatabase } from '../src/database/open-database.ts';
import { openSqlRegistry } from '../src/database/tables/sql-registry.ts';
import { findTenant } from '../src/database/tables/tenant-rows.ts';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { median } from '../test/support/statistics.ts';
import { hosts, idOf, registerMany } from './bulk-register.ts';

/**
 * Look-ups and pages with few and with many tenants: the cost of neither may grow with their
 * number.
 */
const SIZES = [100, 100_000];
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const LOOK_UPS = 20_000;
const READS = 500;
const PAGES = 50;

/** Returns microseconds per call. */
async function timed(calls: number, call: (at: number) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  for (let at = 0; at < calls; at += 1) await call(at);
  return ((performance.now() - startedAt) * 1_000) / calls;
}

async function measure(options: DatabaseOptions, count: number) {
  await migrate(options);
  const database = await openDatabase(options);
  await registerMany(database, count);
  const quiet = { onInvalidRecord: () => undefined, onTrouble: () => undefined, onRecovery: () => undefined };
  const registry = await openSqlRegistry({ database, hosts, ...quiet });
  const anyId = () => idOf(Math.floor(Math.random() * count));
  const warm: number[] = [];
  const cold: number[] = [];
  const pages: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const ids = Array.from({ length: 100 }, anyId);
    for (const id of ids) await registry.get(id);
    warm.push(await timed(LOOK_UPS, async (at) => registry.get(ids[at % 100] ?? '')));
    cold.push(await timed(READS, () => database.read((db) => findTenant(db, anyId()))));
    pages.push(await timed(PAGES, () => registry.list(50, anyId())));
  }
  await registry.close();
  await database.close();
  return { warm: median(warm), cold: median(cold), page: median(pages) };
}

const folder = await mkdtemp(join(tmpdir(), 'bench-'));
const results: { database: string; tenants: number; warm: number; cold: number; page: number }[] = [];
for (const count of SIZES) {
  const databases: [string, DatabaseOptions][] = [
    ['SQLite', { file: join(folder, `${count}.db`) }],
    ['PostgreSQL', { url: await emptyDatabase() }],
  ];
  for (const [name, options] of databases) {
    results.push({ database: name, tenants: count, ...(await measure(options, count)) });
  }
}
await rm(folder, { recursive: true, force: true });
printTable(
  `Registry: µs a call, median of ${RUNS} runs; ${describeMachine()}`,
  ['database', 'tenants', 'look-up, cached', 'look-up, read', 'page of 50'],
  results.map(({ database, tenants, warm, cold, page }) => [
    database,
    String(tenants),
    warm.toFixed(2),
    cold.toFixed(0),
    page.toFixed(0),
  ]),
);
await writeResults('registry', results);
