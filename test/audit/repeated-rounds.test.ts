import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { RepeatedRounds } from '../../src/audit/repeated-rounds.ts';
import { until } from '../support/until.ts';

const NEVER_MS = 1_000_000;

describe('repeated rounds', () => {
  test('follow one another after a pause, until they are stopped', async () => {
    let count = 0;
    const rounds = new RepeatedRounds(
      async () => {
        count += 1;
      },
      () => 1,
    );
    await until(() => count > 2, 'three rounds');
    await rounds.close();
    const ended = count;
    await sleep(30);
    expect([count, rounds.isStopped]).toEqual([ended, true]);
  });

  test('never run two at once: a call during a round joins it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let count = 0;
    const work = () => {
      count += 1;
      return promise;
    };
    const rounds = new RepeatedRounds(work, () => NEVER_MS);
    const both = [rounds.run(), rounds.run()];
    expect(count).toBe(1);
    let isClosed = false;
    const closing = rounds.close().then(() => {
      isClosed = true;
    });
    await sleep(10);
    expect(isClosed).toBe(false);
    resolve();
    await Promise.all([...both, closing]);
    await rounds.run();
    expect(count).toBe(2);
  });
});
