import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { sql } from 'kysely';
import { migrate } from '../src/database/migrations/migrations.ts';
import { openDatabase } from '../src/database/open-database.ts';
import { openClaims } from '../src/database/tables/claims.ts';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { median } from '../test/support/statistics.ts';

/** Visits a second that the claims alone allow: 100,000 tenants at one visit an hour need 28. */
const TENANTS = 100_000;
const PROCESSES = 4;
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const SECONDS = 5;
const BATCH = 16;

/** One process: claims and finishes until its time is over, and prints the number. */
async function work(url: string): Promise<void> {
  const database = await openDatabase({ url });
  const claims = openClaims(database);
  const owner = `bench ${process.pid}`;
  const end = performance.now() + SECONDS * 1_000;
  let count = 0;
  while (performance.now() < end) {
    const ids = await claims.claimDue(Date.now(), owner, 300_000, BATCH);
    const check = { state: 'passed', checkedAt: new Date().toISOString() };
    await Promise.all(ids.map((id) => claims.finish(id, owner, check, Date.now() + 3_600_000)));
    count += ids.length;
  }
  await database.close();
  process.stdout.write(`${count}\n`);
}

async function measure(): Promise<void> {
  const url = await emptyDatabase();
  await migrate({ url });
  const database = await openDatabase({ url });
  await database.write(async (trx) => {
    const ids = sql`generate_series(1, ${sql.lit(TENANTS)}) as n`;
    await sql`insert into tenant_checks (tenant_id, is_watched, due_at, changes) select 'tenant-' || n, 1, 0, 0 from ${ids}`.execute(
      trx,
    );
  });
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    await database.write((trx) => trx.updateTable('tenant_checks').set({ due_at: 0 }).execute());
    const workers = Array.from({ length: PROCESSES }, () =>
      spawn(process.execPath, [import.meta.filename, url], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const counts = await Promise.all(workers.map(countOf));
    rates.push(counts.reduce((sum, count) => sum + count, 0) / SECONDS);
  }
  await database.close();
  const result = { median: median(rates), least: Math.min(...rates), most: Math.max(...rates) };
  printTable(
    `Claims: visits claimed and finished a second, ${PROCESSES} processes, ${TENANTS} tenants on PostgreSQL; ${describeMachine()}`,
    ['median', 'least', 'most'],
    [Object.values(result).map((rate) => rate.toFixed(0))],
  );
  await writeResults('claims', [result]);
}

async function countOf({ stdout }: ChildProcess): Promise<number> {
  if (!stdout) return 0;
  const [chunk] = (await once(stdout, 'data')) as [Buffer];
  return Number(chunk.toString());
}

const [, , url] = process.argv;
await (url === undefined ? measure() : work(url));
