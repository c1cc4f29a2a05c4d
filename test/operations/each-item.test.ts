import { expect, test } from '@jest/globals';
import { eachItem } from '../../src/operations/batch.ts';
import type { TenantGrant } from '../../src/operations/granted-tenant.ts';

const ITEM_MS = 1;

/** Work on the main thread, as sealing a message is. */
function spend(milliseconds: number): void {
  const endsAt = performance.now() + milliseconds;
  while (performance.now() < endsAt);
}

test('a batch blocks the event loop for a few of its items at a time, not for a turn of each worker', async () => {
  const grant = { tenant: {}, recheck: () => undefined } as unknown as TenantGrant;
  let inThisTurn = 0;
  let most = 0;
  const onTurn = () => {
    inThisTurn = 0;
    immediate = setImmediate(onTurn);
  };
  let immediate = setImmediate(onTurn);
  const items = Array.from({ length: 200 }, (_, index) => () => index);
  const outcomes = await eachItem(items, grant, (item) => {
    spend(ITEM_MS);
    inThisTurn += 1;
    most = Math.max(most, inThisTurn);
    return item;
  });
  clearImmediate(immediate);
  expect(outcomes).toEqual(items.map((read) => ({ value: read() })));
  expect(most).toBeLessThanOrEqual(5);
});
