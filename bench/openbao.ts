import { loadavg } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { median, percentile } from '../test/support/statistics.ts';
import { startBao, transitCall, transitRequest } from './bao-server.ts';
import { startWithCompactKey } from './compact-product.ts';
import { type MeasuredServer, startMeasured } from './cpu.ts';
import { type Call, callOf, columnRows, type Row, rowsNamed } from './data-rows.ts';
import { startFloor } from './floor-server.ts';
import { goalsOf, hasGoals, ratioCell } from './goals.ts';
import { type BenchSite, openBenchSite } from './product.ts';
import { openSlices, requestsIn, warmUp } from './slices.ts';

/**
 * The service beside OpenBao's transit engine, bare servers of Node, and the least native server:
 * all of them in turns of some tenths of a second. Arguments: the program of OpenBao, the one of
 * bench/floor or nothing, parts of row names.
 */
const TURNS = Number(process.env['BENCH_TURNS'] ?? 8);
const TURN_MS = Number(process.env['BENCH_TURN_MS'] ?? 400);
const NAMES = {
  audited: 'OpenBao, audit',
  plain: 'OpenBao',
  native: 'ours, native',
  javascript: 'ours, node:crypto',
  express: 'bare Express',
  http: 'bare http',
  floor: 'Rust',
} as const;
type SideName = keyof typeof NAMES;
/** Servers of Node, whose code is compiled while they run. */
const COMPILED_LATER: ReadonlySet<SideName> = new Set(['native', 'javascript', 'express', 'http']);

interface Side {
  readonly server: MeasuredServer;
  readonly token: string;
  readonly call: Call;
  /** Returns the server's request for the same work. */
  request(path: string, body: unknown): { readonly path: string; readonly body: unknown };
  has(row: Row): boolean;
}

const [bao = '', ...rest] = process.argv.slice(2);
const [floor, parts] = rest[0]?.includes('/') ? [rest[0], rest.slice(1)] : [undefined, rest];
const sites: BenchSite[] = [];

async function baoSide(isAudited: boolean) {
  const server = await startBao(bao, isAudited);
  const { version, token } = server;
  return { version, server, token, call: transitCall(server), request: transitRequest, has: () => true };
}

async function productSide(accelerator: 'required' | 'off'): Promise<Side> {
  const site = await openBenchSite();
  sites.push(site);
  return sideOf(await startWithCompactKey(site, { accelerator }), site.token);
}

const bare = async (kind: 'express' | 'http'): Promise<Side> =>
  sideOf(await startMeasured(join(import.meta.dirname, 'bare-server.ts'), [kind]));

/** It makes no data keys and rewraps nothing. */
const floorSide = async (program: string): Promise<Side> => ({
  ...sideOf(await startFloor(program)),
  has: ({ name }) => name.startsWith('encrypt') || name.startsWith('decrypt'),
});

function sideOf(server: MeasuredServer, token = 'any'): Side {
  return { server, token, call: callOf(server, token), request: (path, body) => ({ path, body }), has: () => true };
}

const audited = await baoSide(true);
const sides: Partial<Record<SideName, Side>> = {
  audited,
  plain: await baoSide(false),
  native: await productSide('required'),
  javascript: await productSide('off'),
  express: await bare('express'),
  http: await bare('http'),
  ...(floor === undefined ? {} : { floor: await floorSide(floor) }),
};

type Costs = Partial<Record<SideName, readonly number[]>>;

/** Returns the CPU per request of each side in each turn, in µs. */
async function measure(row: Row): Promise<Costs> {
  const runs = [];
  for (const [name, side] of entries(sides)) {
    if (!side.has(row)) continue;
    const { path, body } = side.request(row.path, await row.body(side.call));
    const client = await openSlices(side.server, { paths: [path], body, token: side.token });
    if (COMPILED_LATER.has(name)) await warmUp(client);
    runs.push({ name, client, requests: await requestsIn(client, TURN_MS), costs: [] as number[] });
  }
  for (const { client, requests } of runs) await client.measure(requests); // warm
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const { client, requests, costs } of runs) costs.push(await client.measure(requests));
  }
  for (const { client } of runs) client.close();
  return Object.fromEntries(runs.map(({ name, costs }) => [name, costs]));
}

const results: { readonly row: string; readonly costs: Costs }[] = [];
for (const row of [...rowsNamed([]), ...columnRows('compact')]) {
  if (!hasGoals(row.name)) continue;
  if (parts.length > 0 && !parts.some((part) => row.name.includes(part))) continue;
  const costs = await measure(row);
  results.push({ row: row.name, costs });
  const medians = entries(costs).map(([name, all]) => `${NAMES[name]} ${median(all).toFixed(0)}`);
  process.stderr.write(`${row.name}: ${medians.join(', ')}\n`);
}
for (const [, { server }] of entries(sides)) await server.stop();
for (const site of sites) await site.close();

const names = entries(sides).map(([name]) => name);
printTable(
  `Server CPU in µs a request, median of ${TURNS} turns, ± half of the middle half; OpenBao ${audited.version}; ${describeMachine()}; load ${loadavg()[0]?.toFixed(1)}`,
  ['work', ...names.map((name) => NAMES[name])],
  results.map(({ row, costs }) => [row, ...names.map((name) => costCell(costs[name]))]),
);
for (const ours of ['native', 'javascript'] as const) {
  printTable(
    `\nRatios within a turn, medians, with their goals: ${NAMES[ours]}`,
    ['work', 'OpenBao with audit ÷ ours', 'OpenBao ÷ ours', 'ours ÷ bare Express', 'ours ÷ bare http'],
    results.map(({ row, costs }) => {
      const goals = goalsOf(row, ours === 'native');
      return [
        row,
        ratioCell(paired(costs.audited, costs[ours]), goals.audited),
        ratioCell(paired(costs.plain, costs[ours]), goals.plain),
        ratioCell(paired(costs[ours], costs.express), goals.express),
        ratioCell(paired(costs[ours], costs.http)),
      ];
    }),
  );
}
if (floor !== undefined) {
  printTable(
    '\nThe least native server: ratios within a turn, medians, with their goals',
    ['work', 'Rust', 'bare http ÷ Rust', 'ours, native ÷ Rust', 'ours, node:crypto ÷ Rust'],
    results
      .filter(({ costs }) => costs.floor)
      .map(({ row, costs }) => [
        row,
        costCell(costs.floor),
        ratioCell(paired(costs.http, costs.floor)),
        ratioCell(paired(costs.native, costs.floor), goalsOf(row, true).floor),
        ratioCell(paired(costs.javascript, costs.floor), goalsOf(row, false).floor),
      ]),
  );
}
await writeResults('openbao', results);

function entries<T>(of: Partial<Record<SideName, T>>): readonly (readonly [SideName, T])[] {
  return Object.entries(of) as [SideName, T][];
}

/** Pairs of one turn share the machine's other load. */
function paired(some: readonly number[] = [], by: readonly number[] = []): number {
  return median(some.map((cost, turn) => cost / (by[turn] ?? Number.NaN)));
}

function costCell(costs: readonly number[] | undefined): string {
  if (!costs) return '–';
  const [half, middle] = [(percentile(costs, 0.75) - percentile(costs, 0.25)) / 2, median(costs)];
  return `${middle.toFixed(0)} ±${((100 * half) / middle).toFixed(0)} %`;
}
