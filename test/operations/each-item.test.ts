import { setImmediate as nextIteration } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Slices } from '../../src/http/admission/slices.ts';
import { eachItem } from '../../src/operations/batch.ts';
import type { TenantGrant } from '../../src/operations/granted-tenant.ts';

const ITEM_MS = 1;
const BATCHES = 20;

/** Work on the main thread, as sealing a message is. */
function spend(milliseconds: number): void {
  const endsAt = performance.now() + milliseconds;
  while (performance.now() < endsAt);
}

/** Returns the most items that were done between two iterations of the event loop during `work`. */
async function mostPerIteration(work: (done: () => void) => Promise<void>): Promise<number> {
  let inThisIteration = 0;
  let most = 0;
  const onIteration = () => {
    inThisIteration = 0;
    immediate = setImmediate(onIteration);
  };
  let immediate = setImmediate(onIteration);
  await work(() => {
    spend(ITEM_MS);
    inThisIteration += 1;
    most = Math.max(most, inThisIteration);
  });
  clearImmediate(immediate);
  return most;
}

const grant = { tenant: {}, recheck: () => undefined } as unknown as TenantGrant;
const itemsOf = (count: number) => Array.from({ length: count }, (_, index) => () => index);

test('a batch blocks the event loop for a few of its items at a time, not for a slice of each worker', async () => {
  const slices = new Slices();
  const items = itemsOf(200);
  const most = await mostPerIteration(async (done) => {
    const outcomes = await eachItem({ slices }, items, grant, (item) => {
      done();
      return item;
    });
    expect(outcomes).toEqual(items.map((read) => ({ value: read() })));
  });
  expect(most).toBeLessThanOrEqual(5);
});

test('many batches block the event loop hardly longer than one: they share its slices', async () => {
  const slices = new Slices();
  const most = await mostPerIteration(async (done) => {
    const batches: Promise<unknown>[] = [];
    for (let n = 0; n < BATCHES; n += 1) {
      batches.push(eachItem({ slices }, itemsOf(20), grant, done));
      await nextIteration();
    }
    await Promise.all(batches);
  });
  expect(most).toBeLessThanOrEqual(10); // the first slice of a new batch, and one of the others
});
