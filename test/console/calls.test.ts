import { describe, expect, test } from '@jest/globals';
import { failureOf, perform } from '../../console/reference/src/try/perform.ts';
import { ApiError, isPassing, problemOf, Unreachable } from '../../console/src/api/api-error.ts';
import { repeatCall } from '../../console/src/api/repeat-call.ts';
import { SignInExpired } from '../../console/src/app/sign-in-expired.ts';
import { isAnswerOfWindow } from '../../console/src/app/sign-in-window.ts';

const problem = {
  type: 'urn:vaultspan:problem:draining',
  title: 'The service stops',
  status: 503,
  code: 'draining',
  detail: 'It restarts.',
  requestId: 'r',
};

describe('an answer that is a failure', () => {
  test('has the problem of the service', async () => {
    expect(await problemOf(Response.json(problem, { status: 503 }))).toEqual(problem);
  });

  test.each(['<html>Bad gateway</html>', '', '{"error":"x"}', 'null'])('of a proxy, %p, becomes one', async (text) => {
    expect(await problemOf(new Response(text, { status: 502 }))).toMatchObject({ code: 'unexpected', status: 502 });
  });

  test('passes by itself while the service restarts, and not when it was refused', () => {
    expect([new Unreachable(), new ApiError(problem)].map(isPassing)).toEqual([true, true]);
    expect([new ApiError({ ...problem, status: 403 }), new TypeError()].map(isPassing)).toEqual([false, false]);
  });
});

const hash = (state: string) => `#${new URLSearchParams({ code: 'c', state }).toString()}`;
const stateOf = (interactionType: string) => btoa(JSON.stringify({ id: 'a?>~', meta: { interactionType } }));

describe('the end of a sign-in in a window', () => {
  test('is known by the state that comes back, with or without the text of the page', () => {
    for (const state of [stateOf('popup'), `${stateOf('popup')}|mine`, stateOf('popup').replaceAll('/', '_')]) {
      expect(isAnswerOfWindow(hash(state))).toBe(true);
    }
  });

  test.each(['', '#', '#state=%', hash(''), hash('x'), hash('bnVsbA=='), hash(stateOf('redirect'))])(
    'is not %p',
    (other) => {
      expect(isAnswerOfWindow(other)).toBe(false);
    },
  );
});

describe('a call without a valid sign-in', () => {
  test('is no outage for the API reference, and asks for a token', async () => {
    const request = {} as Parameters<typeof perform>[1];
    const signal = new AbortController().signal;
    const failed = await perform(() => Promise.reject(new SignInExpired('It has expired.')), request, signal).catch(
      (error: unknown) => failureOf(error, false),
    );
    expect(failed).toEqual({ kind: 'failed', title: 'It has expired.', needsToken: true });
    const outage = await perform(() => Promise.reject(new TypeError('fetch')), request, signal).catch(
      (error: unknown) => failureOf(error, false),
    );
    expect(outage).toMatchObject({ title: expect.stringContaining('No answer came'), needsToken: false });
  });
});

describe('a repeated call', () => {
  const options = (answers: readonly (number | Error)[]) => {
    const left = [...answers];
    return {
      call: () => {
        const answer = left.shift();
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? -1);
      },
      isOver: (answer: number) => answer === 0,
      pauseMs: 0,
    };
  };
  const answersOf = async (
    answers: readonly (number | Error)[],
    signal = new AbortController().signal,
    maxMs?: number,
  ) => {
    const seen: number[] = [];
    const limit = maxMs === undefined ? {} : { maxMs };
    await repeatCall({ ...options(answers), ...limit }, signal, (answer) => seen.push(answer));
    return seen;
  };

  test('ends with the answer that is the last one', async () => {
    expect(await answersOf([2, 1, 0, 5])).toEqual([2, 1, 0]);
  });

  test('ends when its time is up', async () => {
    expect(await answersOf([2, 1, 0], undefined, 0)).toEqual([2]);
  });

  test('rejects with a failure that does not pass by itself', async () => {
    await expect(answersOf([2, new ApiError({ ...problem, status: 403 }), 0])).rejects.toThrow('The service stops');
  });

  test('waits out a restart, and a stop ends the wait', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const running = repeatCall(options([2, new Unreachable('gone'), 0]), controller.signal, (answer) => {
      seen.push(answer);
      setTimeout(() => controller.abort(), 50);
    });
    await running;
    expect(seen).toEqual([2]);
  });

  test('that was stopped makes no call', async () => {
    expect(await answersOf([2, 0], AbortSignal.abort())).toEqual([]);
  });
});
