import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { runCli } from '../test/support/run-cli.ts';
import { median } from '../test/support/statistics.ts';
import { callOf, type Row, rowsOfForms } from './data-rows.ts';
import { type BenchSite, openBenchSite } from './product.ts';
import { wrk } from './wrk.ts';

/**
 * CPU of the server per request under a compact key and under a self-contained one, in turn on one
 * server. Contexts are not cached, so one context costs as much as a new one each time.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);

const site = await openBenchSite();
const server = await startWithCompactKey(site);
const call = callOf(server, site.token);
const table: string[][] = [];
const results: object[] = [];
const compactRows = rowsOfForms('compact');
for (const [at, row] of rowsOfForms('data').entries()) {
  const costs = { selfContained: [] as number[], compact: [] as number[] };
  const measure = async (of: Row | undefined, seconds: number) => {
    if (!of) throw new Error(`no row for ${row.name}`);
    return wrk(server, { paths: [of.path], body: await of.body(call), token: site.token }, seconds, site.folder);
  };
  await measure(row, 1); // warm
  await measure(compactRows[at], 1);
  for (let run = 0; run < RUNS; run += 1) {
    costs.selfContained.push((await measure(row, SECONDS)).cpuMicroseconds);
    costs.compact.push((await measure(compactRows[at], SECONDS)).cpuMicroseconds);
  }
  const [selfContained, compact] = [median(costs.selfContained), median(costs.compact)];
  results.push({ row: row.name, selfContained, compact, ratio: compact / selfContained, aim: row.ratio, costs });
  const figures = [selfContained.toFixed(1), compact.toFixed(1), (compact / selfContained).toFixed(2)];
  table.push([row.name, ...figures, row.ratio.toFixed(2)]);
  process.stderr.write(`${table.at(-1)?.join('  ')}\n`);
}
await server.stop();
await site.close();
printTable(
  `Forms: server CPU, µs a request, median of ${RUNS} runs of ${SECONDS} s; ${describeMachine()}`,
  ['work', 'self-contained', 'compact', 'compact ÷ self-contained', 'aim'],
  table,
);
await writeResults('compact', results);

/** Starts a service whose tenant has a key of each form; its branch keys encrypt at once. */
async function startWithCompactKey({ emulator, folder, tenants, writeConfig, startProduct }: BenchSite) {
  const [contoso] = tenants;
  await emulator.control.createKey({ vault: 'contoso', key: 'compact' });
  const { vaultUrl } = (contoso?.keys as { readonly data?: { readonly vaultUrl?: string } } | undefined)?.data ?? {};
  const keys = { ...contoso?.keys, compact: { vaultUrl, name: 'compact', use: 'data', form: 'compact' } };
  const list = join(folder, 'with-compact.json');
  await writeFile(list, JSON.stringify({ tenants: [{ ...contoso, keys }] }));
  const settings = {
    registry: {},
    database: { file: join(folder, 'compact.db') },
    branchKeys: { settleSeconds: 0, copies: { directory: join(folder, 'copies') } },
  };
  const config = await writeConfig(settings);
  for (const command of [
    ['tenants', 'import', list],
    ['branch-keys', 'enable'],
  ]) {
    const run = runCli([...command, '--config', config], { cwd: folder });
    if ((await run.exitCode) !== 0) throw new Error(`${command.join(' ')}: ${run.err()}`);
  }
  return startProduct(settings);
}
