import { join } from 'node:path';
import process from 'node:process';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { leastQuarter, median } from '../test/support/statistics.ts';
import { openCheckout } from './checkout.ts';
import { startMeasured } from './cpu.ts';
import { callOf, rowsNamed } from './data-rows.ts';
import { openSlices, requestsIn, type SliceClient, warmUp } from './slices.ts';

/**
 * CPU of the server per request in two checkouts and in the bare Express server. They take turns of
 * a fifth of a second, so that other work on the machine meets all of them alike. Arguments: the
 * other checkout, with its packages installed, then parts of row names.
 */
const TURNS = Number(process.env['BENCH_TURNS'] ?? 40);
const TURN_MS = 200;
const [otherCheckout, ...parts] = process.argv.slice(2);
if (otherCheckout === undefined) throw new Error('usage: npm run bench -- compare OTHER_CHECKOUT [ROW…]');

const ours = await openCheckout(join(import.meta.dirname, '..'));
const other = await openCheckout(otherCheckout);
const express = await startMeasured(join(import.meta.dirname, 'bare-server.ts'), ['express']);
const sides = [ours, other, { server: express, token: ours.token }] as const;
const table: string[][] = [];
const results: object[] = [];
for (const row of rowsNamed(parts)) {
  const clients: SliceClient[] = [];
  const requests: number[] = [];
  for (const { server, token } of sides) {
    const body = await row.body(callOf(server, token));
    const client = await openSlices(server, { paths: [row.path], body, token });
    clients.push(client);
    await warmUp(client);
    requests.push(await requestsIn(client, TURN_MS));
  }
  const costs: number[][] = sides.map(() => []);
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [at, client] of clients.entries()) costs[at]?.push(await client.measure(requests[at] ?? 0));
  }
  for (const client of clients) client.close();
  const [mine = [], theirs = [], bare = []] = costs;
  // Pairs of one round share the machine's other load.
  const paired = (some: readonly number[], by: readonly number[]) =>
    median(some.map((cost, at) => cost / (by[at] ?? 1)));
  const ratios = { toOther: paired(mine, theirs), toExpress: paired(mine, bare), otherToExpress: paired(theirs, bare) };
  results.push({ row: row.name, ours: mine, other: theirs, express: bare, ...ratios });
  const medians = [mine, theirs, bare].map((some) => median(some).toFixed(0));
  const least = leastQuarter(mine) / leastQuarter(theirs);
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
  `Two checkouts: server CPU, µs a request, median of ${TURNS} turns; ratios paired within a round; ${describeMachine()}`,
  ['work', 'ours', 'other', 'bare Express', 'ours ÷ other', 'of the best quarter', 'ours ÷ Express', 'other ÷ Express'],
  table,
);
await writeResults('compare', results);
