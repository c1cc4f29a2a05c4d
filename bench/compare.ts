import { join, resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { median } from '../test/support/statistics.ts';
import { startMeasured } from './cpu.ts';
import { callOf, rowsNamed } from './data-rows.ts';
import type * as Product from './product.ts';
import { type Load, wrk } from './wrk.ts';

/**
 * CPU of the server per request in two checkouts and in the bare Express server, each row and run
 * in turn. Arguments: the other checkout, with its packages installed, then parts of row names.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const [otherCheckout, ...parts] = process.argv.slice(2);
if (otherCheckout === undefined) throw new Error('usage: npm run bench -- compare OTHER_CHECKOUT [ROW…]');

/** Each checkout has an emulated Azure of its own, since formats of configurations differ. */
async function open(checkout: string) {
  const url = pathToFileURL(resolve(checkout, 'bench', 'product.ts')).href;
  const { openBenchSite } = (await import(url)) as typeof Product;
  const site = await openBenchSite();
  return { site, token: site.token, server: await site.startProduct() };
}

const ours = await open(join(import.meta.dirname, '..'));
const other = await open(otherCheckout);
const express = await startMeasured(join(import.meta.dirname, 'bare-server.ts'), ['express']);
const sides = [ours, other, { server: express, token: ours.token }] as const;
const table: string[][] = [];
const results: object[] = [];
for (const row of rowsNamed(parts)) {
  const loads: Load[] = [];
  for (const { server, token } of sides) {
    const load = { paths: [row.path], body: await row.body(callOf(server, token)), token };
    loads.push(load);
    await wrk(server, load, 1, ours.site.folder); // warm
  }
  const costs: number[][] = sides.map(() => []);
  for (let run = 0; run < RUNS; run += 1) {
    for (const [at, { server }] of sides.entries()) {
      const load = loads[at];
      if (load) costs[at]?.push((await wrk(server, load, SECONDS, ours.site.folder)).cpuMicroseconds);
    }
  }
  const [mine = [], theirs = [], bare = []] = costs;
  // Pairs of one round share the machine's other load.
  const paired = (some: readonly number[], by: readonly number[]) =>
    median(some.map((cost, at) => cost / (by[at] ?? 1)));
  const ratios = { toOther: paired(mine, theirs), toExpress: paired(mine, bare), otherToExpress: paired(theirs, bare) };
  results.push({ row: row.name, ours: mine, other: theirs, express: bare, ...ratios });
  const medians = [mine, theirs, bare].map((some) => median(some).toFixed(0));
  const least = Math.min(...mine) / Math.min(...theirs);
  table.push([
    row.name,
    ...medians,
    ...[ratios.toOther, least, ratios.toExpress, ratios.otherToExpress].map((ratio) => ratio.toFixed(2)),
  ]);
  process.stderr.write(`${table.at(-1)?.join('  ')}\n`);
}
for (const { server } of sides) await server.stop();
await ours.site.close();
await other.site.close();
printTable(
  `Two checkouts: server CPU, µs a request, median of ${RUNS} runs of ${SECONDS} s; ratios paired within a round; ${describeMachine()}`,
  ['work', 'ours', 'other', 'bare Express', 'ours ÷ other', 'of the least', 'ours ÷ Express', 'other ÷ Express'],
  table,
);
await writeResults('compare', results);
