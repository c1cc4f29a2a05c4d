import { expect, test } from '@jest/globals';
import { BranchDatabase } from '../../../src/azure/home/branch-database.ts';
import { ServiceError } from '../../../src/errors.ts';
import { TestClock } from '../../support/test-clock.ts';

test('a failed reading leaves the id as it was, is reported once, and is forgotten with the next good one', async () => {
  const clock = new TestClock();
  const answers: (string | ServiceError)[] = [];
  const unread: unknown[] = [];
  const database = new BranchDatabase({
    clock,
    onUnread: (error) => unread.push(error),
    vault: {
      versions: async () => {
        const answer = answers.shift();
        if (answer instanceof ServiceError) throw answer;
        return { usable: answer === undefined ? [] : [usable(answer)], unusable: [] };
      },
    },
  });
  const read = async (answer: string | ServiceError) => {
    answers.push(answer);
    clock.advance(601);
    await database.refresh();
    return [database.current(), database.failure()];
  };
  const failed = new ServiceError('vault-unavailable', 'down');
  expect(await read(failed)).toEqual([undefined, failed]);
  expect(await read('one')).toEqual(['one', undefined]);
  expect(await read(failed)).toEqual(['one', failed]);
  expect(await read(failed)).toEqual(['one', failed]);
  expect(unread).toEqual([failed, failed]);
  expect(await read('two')).toEqual(['two', undefined]);
});

const usable = (value: string) => ({ version: 'v', value, created: 0, expires: undefined });
