import type { AccessToken } from '@azure/core-auth';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/azure/deadline.ts';
import type { SignIns } from '../../../src/azure/entra/sign-ins.ts';
import type { HomeCredential } from '../../../src/azure/home/home-credential.ts';
import { signInsOf } from '../../support/sign-ins-of.ts';
import { TestClock } from '../../support/test-clock.ts';

const SCOPE = 'https://vault.azure.net/.default';
const THROTTLED = Object.assign(new Error('429'), { status: 429 });
const THROTTLED_FOR_A_MINUTE = Object.assign(new Error('429'), { status: 429, retryAfter: 60 });
const HANGING = new DeadlineError('no answer');
const WRONG_SECRET = Object.assign(new Error('401'), { status: 401, errorCode: 'invalid_client', errorNo: 7000215 });
const REFUSED = Object.assign(new Error('400'), { status: 400, errorCode: 'unauthorized_client', errorNo: 700016 });

/** Fails on request and counts the requests of each directory. */
class CountingHome implements HomeCredential {
  readonly requests: string[] = [];
  readonly failures = new Map<string, Error>();
  failure: Error | undefined;
  atOnce = 0;
  mostAtOnce = 0;

  async signIn(directory: string): Promise<AccessToken> {
    this.requests.push(directory);
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    await new Promise(setImmediate);
    this.atOnce -= 1;
    const failure = this.failures.get(directory) ?? this.failure;
    if (failure) throw failure;
    return { token: 'token', expiresOnTimestamp: Date.now() + 3_600_000 };
  }
}

let clock: TestClock;
let home: CountingHome;
let signIns: SignIns;
beforeEach(() => {
  clock = new TestClock();
  clock.stop();
  home = new CountingHome();
  signIns = signInsOf(home, 'app', clock);
});

/** Returns the codes of ten concurrent sign-ins, and of ten in a row. */
async function twenty(directory: string): Promise<Set<string>> {
  const codes: string[] = [];
  const ask = async () => {
    const code = await signIns.signIn(directory, SCOPE).then(
      () => 'token',
      (error: { code: string }) => error.code,
    );
    codes.push(code);
  };
  await Promise.all(Array.from({ length: 10 }, ask));
  for (let left = 10; left > 0; left -= 1) await ask();
  return new Set(codes);
}

const failureOf = (directory: string) =>
  signIns.signIn(directory, SCOPE).then(
    () => ({}),
    (error: object) => error,
  );

describe('a failed sign-in is made once per directory and back-off step', () => {
  test.each([
    ['throttled', THROTTLED, 'identity-unavailable'],
    ['throttled for a minute', THROTTLED_FOR_A_MINUTE, 'identity-unavailable'],
    ['hanging', HANGING, 'identity-unavailable'],
    ['with a wrong secret', WRONG_SECRET, 'home-credential-rejected'],
    ['refused by the customer', REFUSED, 'access-revoked'],
  ])('%s', async (_how, failure, code) => {
    home.failure = failure;
    expect(await twenty('a')).toEqual(new Set([code]));
    expect(home.requests).toEqual(['a']);
    clock.advance(75);
    expect(await twenty('a')).toEqual(new Set([code]));
    expect(home.requests).toEqual(['a', 'a']);
    clock.advance(75);
    home.failure = undefined;
    expect(await signIns.signIn('a', SCOPE)).toHaveProperty('token', 'token');
  });

  test('and its steps grow while Entra throttles without a Retry-After', async () => {
    home.failure = THROTTLED;
    for (let second = 0; second < 120; second += 1) {
      await failureOf('a');
      clock.advance(1);
    }
    // 5, 10, 20, 40 and 60 s, each shortened by up to a fifth
    expect(home.requests.length).toBeGreaterThanOrEqual(5);
    expect(home.requests.length).toBeLessThanOrEqual(6);
  });

  test("and reports the remaining time of its step, never less than Entra's Retry-After", async () => {
    home.failure = THROTTLED_FOR_A_MINUTE;
    const first = (await failureOf('a')) as { retryAfter: number };
    expect(first).toMatchObject({ code: 'identity-unavailable', reason: 'throttled' });
    expect(first.retryAfter).toBeGreaterThanOrEqual(60);
    expect(first.retryAfter).toBeLessThanOrEqual(72);
    clock.advance(20);
    expect(await failureOf('a')).toHaveProperty('retryAfter', first.retryAfter - 20);
    clock.advance(39);
    await failureOf('a');
    expect(home.requests).toHaveLength(1);
  });

  test('and a refusal by the customer has no Retry-After, because waiting does not change it', async () => {
    home.failure = REFUSED;
    await failureOf('a');
    expect(await failureOf('a')).toMatchObject({ code: 'access-revoked', scope: 'tenant', retryAfter: undefined });
  });

  test('while other directories are not affected', async () => {
    home.failures.set('a', REFUSED);
    expect(await twenty('a')).toEqual(new Set(['access-revoked']));
    expect(await twenty('b')).toEqual(new Set(['token']));
  });
});

describe('the doctor', () => {
  test('calls Entra despite a recent refusal, and its success ends the back-off', async () => {
    home.failure = REFUSED;
    await failureOf('a');
    home.failure = undefined;
    expect(await signIns.signIn('a', SCOPE, true)).toHaveProperty('token');
    expect(await signIns.signIn('a', SCOPE)).toHaveProperty('token');
  });

  test('does not call a throttled Entra', async () => {
    home.failure = THROTTLED_FOR_A_MINUTE;
    await failureOf('a');
    await expect(signIns.signIn('a', SCOPE, true)).rejects.toMatchObject({ reason: 'throttled' });
    expect(home.requests).toHaveLength(1);
  });
});

describe('Entra as a whole', () => {
  test.each([
    ['throttles', THROTTLED_FOR_A_MINUTE],
    ['hangs', HANGING],
  ])('that %s three directories in a row is called for no other', async (_how, failure) => {
    home.failure = failure;
    for (const directory of ['a', 'b', 'c']) await failureOf(directory);
    for (let index = 0; index < 50; index += 1) await failureOf(`d${index}`);
    expect(home.requests).toEqual(['a', 'b', 'c']);
  });

  test('is called by one sign-in after the back-off, and serves all again once that succeeded', async () => {
    home.failure = THROTTLED_FOR_A_MINUTE;
    for (const directory of ['a', 'b', 'c']) await failureOf(directory);
    clock.advance(75);
    home.failure = undefined;
    const outcomes = await Promise.allSettled(['d', 'e', 'f'].map((directory) => signIns.signIn(directory, SCOPE)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(home.requests).toEqual(['a', 'b', 'c', 'd']);
    expect(await signIns.signIn('e', SCOPE)).toHaveProperty('token');
  });

  test('is not failing when directories between answer, even with a refusal', async () => {
    home.failure = HANGING;
    for (const directory of ['a', 'b']) await failureOf(directory);
    home.failures.set('x', REFUSED);
    await failureOf('x');
    await failureOf('c');
    home.failure = undefined;
    expect(await signIns.signIn('d', SCOPE)).toHaveProperty('token');
  });
});

test('one directory has one sign-in at a time; other directories do not wait for it', async () => {
  await Promise.all(Array.from({ length: 10 }, () => signIns.signIn('a', SCOPE)));
  expect(home.mostAtOnce).toBe(1);
  await Promise.all(['a', 'b', 'c'].map((directory) => signIns.signIn(directory, SCOPE)));
  expect(home.mostAtOnce).toBe(3);
});
