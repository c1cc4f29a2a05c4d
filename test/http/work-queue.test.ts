import { setImmediate as nextIteration } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Slices } from '../../src/http/admission/slices.ts';
import { WorkQueue } from '../../src/http/admission/work-queue.ts';
import { until } from '../support/until.ts';

const SLOTS = 4;
const TARGET_MS = 500;
const SLOT_MS = 200;

/** Returns a queue under a clock that the test moves, with every slot taken. */
async function busyQueue() {
  const slices = new Slices();
  let now = 0;
  const refusal = new Error('too late');
  const queue = new WorkQueue({ targetMs: TARGET_MS, nowMs: () => now, slices, refuse: () => refusal });
  const taken: (() => void)[] = [];
  for (let slot = 0; slot < SLOTS; slot += 1) taken.push(await queue.enter('busy', () => undefined));
  const started: string[] = [];
  const enter = (tenantId: string, name: string, onGone: (leave: () => void) => void = () => undefined) => {
    Promise.resolve(queue.enter(tenantId, onGone)).then(
      (free) => {
        started.push(name);
        taken.push(free);
      },
      (error: Error) => started.push(`${name} ${error.message}`),
    );
  };
  const freeOne = async () => {
    taken.shift()?.();
    for (let n = 0; n < 2; n += 1) await nextIteration(); // one for the slice in which it starts
  };
  return { slices, enter, started, freeOne, waitMs: (ms: number) => (now += ms) };
}

describe('the queue of large requests', () => {
  test('takes turns among tenants', async () => {
    const { enter, started, freeOne } = await busyQueue();
    for (const name of ['a1', 'a2', 'a3']) enter('a', name);
    enter('b', 'b1');
    for (let n = 0; n < 4; n += 1) await freeOne();
    expect(started).toEqual(['a1', 'b1', 'a2', 'a3']);
  });

  test('refuses requests that have waited longer than the target, once that has lasted', async () => {
    const { enter, started, freeOne, waitMs } = await busyQueue();
    for (const name of ['a1', 'a2', 'a3']) enter('a', name);
    waitMs(TARGET_MS + 1);
    await freeOne();
    expect(started).toEqual(['a1']);
    waitMs(100);
    enter('a', 'a4');
    await freeOne();
    expect(started).toEqual(['a1', 'a2 too late', 'a3 too late', 'a4']);
  });

  test('skips a request whose client has disconnected', async () => {
    const { enter, started, freeOne } = await busyQueue();
    let leave: () => void = () => undefined;
    enter('a', 'a1', (gone) => {
      leave = gone;
    });
    enter('a', 'a2');
    leave();
    await freeOne();
    expect(started).toEqual(['a1 too late', 'a2']);
  });

  test('gives a slot that is held for long to another: its request waits for a vault', async () => {
    const { enter, started } = await busyQueue();
    enter('a', 'a1');
    await until(() => started.length > 0, 'the first request starts');
    expect(started).toEqual(['a1']);
  });

  test('gives no slot away while a request computes: the main thread has no time for another', async () => {
    const { slices, enter, started } = await busyQueue();
    enter('a', 'a1');
    const done = new AbortController();
    const computing = (async () => {
      while (!done.signal.aborted) await slices.next();
    })();
    await new Promise((resolve) => setTimeout(resolve, 3 * SLOT_MS));
    expect(started).toEqual([]);
    done.abort();
    await computing;
    await until(() => started.length > 0, 'the first request starts');
  });
});
