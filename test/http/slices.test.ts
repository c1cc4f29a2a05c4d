import { setImmediate as nextIteration } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Slices } from '../../src/http/admission/slices.ts';

test('one work has a slice in each iteration of the event loop, in turns', async () => {
  const slices = new Slices();
  const begun: string[] = [];
  const work = async (name: string) => {
    for (let n = 0; n < 2; n += 1) {
      await slices.next();
      begun.push(name);
    }
  };
  const works = [work('a'), work('b'), work('c')];
  const after: number[] = [];
  for (let n = 0; n < 6; n += 1) {
    await nextIteration();
    after.push(begun.length);
  }
  await Promise.all(works);
  expect(begun).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  expect(after).toEqual([1, 2, 3, 4, 5, 6]);
});

test('slices give way while connections are accepted, but not forever', async () => {
  const slices = new Slices();
  const begun: string[] = [];
  void slices.next().then(() => begun.push('a'));
  const accept = async (count: number) => {
    for (let n = 0; n < count; n += 1) {
      slices.connectionAccepted();
      await nextIteration();
    }
  };
  await accept(10);
  expect(begun).toEqual([]);
  await accept(100);
  expect(begun).toEqual(['a']);
});

test('it is busy while work waits for a slice', async () => {
  const slices = new Slices();
  expect(slices.isBusy).toBe(false);
  const begun = slices.next();
  expect(slices.isBusy).toBe(true);
  await begun;
  expect(slices.isBusy).toBe(false);
});
