import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { until } from './until.ts';

/**
 * 2,000 in CI, a million in `npm run fuzz`, each night. Files over the network share them; one of a function
 * alone has all of them for itself.
 */
const TOTAL = Number(process.env['FUZZ_RUNS'] ?? 2_000);
/** Repeats one run: fast-check prints the seed with each failure. */
const SEED = process.env['FUZZ_SEED'];
const MAX_GROWTH_BYTES = 48 * 1_024 * 1_024;
/** Disables Jest's own time limit: a long run is no failure. */
export const NO_LIMIT = 24 * 3_600_000;

/**
 * Runs a property for its share of all runs, and checks that it leaves neither handles nor memory.
 */
export async function fuzz<T>(
  name: string,
  share: number,
  input: fc.Arbitrary<T>,
  property: (value: T) => Promise<void>,
): Promise<void> {
  const numRuns = Math.ceil(TOTAL * share);
  await property(fc.sample(input, { numRuns: 1, seed: 1 })[0] as T); // resources that are opened once exist before the count
  const before = resources();
  let done = 0;
  const counted = async (value: T) => {
    await property(value);
    done += 1;
    if (done % 50_000 === 0) process.stderr.write(`${name}: ${done} of ${numRuns}\n`);
  };
  await fc.assert(fc.asyncProperty(input, counted), {
    numRuns,
    ...(SEED !== undefined && { seed: Number(SEED) }),
  });
  // An older idle connection may be closed by now. A connection that was abandoned while it was being
  // opened remains until the operating system reports its end; anything else that remains is a leak.
  const left = () => [...resources().handles].filter(([kind, count]) => count > (before.handles.get(kind) ?? 0));
  await until(() => left().length === 0, 'everything is closed').catch(() => undefined);
  expect(left()).toEqual([]);
  const after = resources();
  expect(after.heapBytes - before.heapBytes).toBeLessThan(MAX_GROWTH_BYTES);
}

function resources() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  // Timers of finished requests are ignored; resources that hold a connection, a file or a process
  // are counted.
  const kinds = process.getActiveResourcesInfo().filter((kind) => !['Timeout', 'Immediate'].includes(kind));
  const handles = new Map([...Map.groupBy(kinds, (kind) => kind)].map(([kind, all]) => [kind, all.length]));
  return { handles, heapBytes: process.memoryUsage().heapUsed };
}
