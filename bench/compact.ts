import { resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { leastQuarter, median } from '../test/support/statistics.ts';
import { startWithCompactKey } from './compact-product.ts';
import { callOf, rowsOfForms } from './data-rows.ts';
import type * as Product from './product.ts';
import { openBenchSite } from './product.ts';
import { openSlices, requestsIn, type SliceClient, warmUp } from './slices.ts';

/**
 * CPU of the server per request under a self-contained key and under a compact one, and under a
 * self-contained one of another checkout if its folder is the first argument. They take turns of a
 * fifth of a second. Further arguments are parts of row names. Contexts are not cached, so one
 * context costs as much as a new one each time.
 */
const TURNS = Number(process.env['BENCH_TURNS'] ?? 40);
const TURN_MS = 200;
const [otherCheckout, ...parts] = process.argv.slice(2);

const site = await openBenchSite();
const server = await startWithCompactKey(site);
const other = otherCheckout === undefined ? undefined : await openOther(otherCheckout);
const table: string[][] = [];
const results: object[] = [];
const compactRows = rowsOfForms('compact');
for (const [at, row] of rowsOfForms('data').entries()) {
  if (parts.length > 0 && !parts.some((part) => row.name.includes(part))) continue;
  const compactRow = compactRows[at];
  if (!compactRow) throw new Error(`no row for ${row.name}`);
  const sides = [
    { server, token: site.token, row },
    { server, token: site.token, row: compactRow },
  ];
  if (other) sides.push({ ...other, row });
  const clients: SliceClient[] = [];
  const requests: number[] = [];
  for (const {
    server: of,
    token,
    row: { path, body },
  } of sides) {
    const client = await openSlices(of, { paths: [path], body: await body(callOf(of, token)), token });
    clients.push(client);
    await warmUp(client);
    requests.push(await requestsIn(client, TURN_MS));
  }
  const costs: number[][] = sides.map(() => []);
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [side, client] of clients.entries()) costs[side]?.push(await client.measure(requests[side] ?? 0));
  }
  for (const client of clients) client.close();
  const [selfContained = [], compact = [], before = []] = costs;
  results.push({ row: row.name, aim: row.ratio, selfContained, compact, before });
  const least = leastQuarter(compact);
  table.push([
    row.name,
    ...costs.map((some) => median(some).toFixed(0)),
    ...costs.map((some) => leastQuarter(some).toFixed(0)),
    (least / leastQuarter(selfContained)).toFixed(2),
    ...(other ? [(least / leastQuarter(before)).toFixed(2)] : []),
    row.ratio.toFixed(2),
  ]);
  process.stderr.write(`${table.at(-1)?.join('  ')}\n`);
}
await server.stop();
await site.close();
await other?.server.stop();
await other?.site.close();
const names = ['self-contained', 'compact', ...(other ? ['other checkout'] : [])];
printTable(
  `Forms: server CPU, µs a request, medians and best quarters of ${TURNS} turns; ratios of the best quarters; ${describeMachine()}`,
  [
    'work',
    ...names,
    ...names.map((name) => `${name}, best`),
    'compact ÷ self-contained',
    ...(other ? ['compact ÷ other'] : []),
    'aim',
  ],
  table,
);
await writeResults('compact', results);

/** Each checkout has an emulated Azure of its own, since formats of configurations differ. */
async function openOther(checkout: string) {
  const url = pathToFileURL(resolve(checkout, 'bench', 'product.ts')).href;
  const product = (await import(url)) as typeof Product;
  const opened = await product.openBenchSite();
  return { site: opened, token: opened.token, server: await opened.startProduct() };
}
