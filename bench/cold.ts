import process from 'node:process';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { median } from '../test/support/statistics.ts';
import { openBenchSite } from './product.ts';

/**
 * First calls of tenants that this process has never served: their requests to the emulated Azure,
 * and their duration.
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const ONE_BY_ONE = 20;
const AT_ONCE = 50;
/** `discovery` is MSAL's request about an unknown authority. */
const COUNTED = ['discovery', 'token', 'challenge', 'getKey', 'wrapKey', 'unwrapKey'] as const;
const plaintext = Buffer.alloc(1_024, 7).toString('base64');

const site = await openBenchSite({ customers: RUNS * (ONE_BY_ONE + 1) });
const product = await site.startProduct();
const { control } = site.emulator;

/** Returns milliseconds. */
async function encrypt(tenantId: string): Promise<number> {
  const startedAt = performance.now();
  const response = await fetch(`${product.url}/tenants/${tenantId}/encrypt`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${site.token}` },
    body: JSON.stringify({ plaintext }),
  });
  if (!response.ok) throw new Error(`${tenantId} was answered ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
  return performance.now() - startedAt;
}

interface First {
  readonly milliseconds: number;
  /** In the order of `COUNTED`, then all others. */
  readonly requests: readonly number[];
}

async function firstCalls(tenantId: string, calls: number): Promise<First> {
  control.clearRequests();
  const took = await Promise.all(Array.from({ length: calls }, () => encrypt(tenantId)));
  const operations = control.requests().map(({ operation }) => operation);
  const counts = COUNTED.map((name) => operations.filter((operation) => operation === name).length);
  const others = operations.length - counts.reduce((sum, count) => sum + count, 0);
  return { milliseconds: Math.max(...took), requests: [...counts, others] };
}

const [contoso, ...fresh] = site.tenants.map(({ id }) => id);
await firstCalls(contoso ?? '', AT_ONCE); // then the process itself is warm, and signed in to the home tenant
const single: First[] = [];
const together: First[] = [];
for (let run = 0; run < RUNS; run += 1) {
  for (let n = 0; n < ONE_BY_ONE; n += 1) single.push(await firstCalls(fresh.pop() ?? '', 1));
  together.push(await firstCalls(fresh.pop() ?? '', AT_ONCE));
}
const warm: First[] = [];
for (let n = 0; n < RUNS * ONE_BY_ONE; n += 1) warm.push(await firstCalls(contoso ?? '', 1));
await product.stop();
await site.close();

const results = Object.entries({
  'first call': single,
  [`${AT_ONCE} first calls at once, the last answered`]: together,
  'warm call': warm,
}).map(([calls, all]) => ({
  calls,
  tenants: all.length,
  ...Object.fromEntries(
    [...COUNTED, 'others'].map((name, at) => [name, [...new Set(all.map(({ requests }) => requests[at]))]]),
  ),
  milliseconds: median(all.map(({ milliseconds }) => milliseconds)),
}));
printTable(
  `Cold tenants: requests to Entra and the vault, and ms a call, median; ${describeMachine()}`,
  ['calls', 'measured', ...COUNTED, 'others', 'ms'],
  results.map(({ milliseconds, ...counts }) => [...Object.values(counts).map(String), milliseconds.toFixed(1)]),
);
await writeResults('cold', results);
