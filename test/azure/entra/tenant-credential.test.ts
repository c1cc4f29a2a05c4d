import type { AccessToken } from '@azure/core-auth';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/azure/deadline.ts';
import { TenantCredential } from '../../../src/azure/entra/tenant-credential.ts';
import type { HomeCredential } from '../../../src/azure/home/home-credential.ts';
import { signInsOf } from '../../support/sign-ins-of.ts';
import { TestClock } from '../../support/test-clock.ts';

const DIRECTORY = '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3';
const VAULT = 'https://vault.azure.net/.default';
const HSM = 'https://managedhsm.azure.net/.default';
const MAX_AGE_SECONDS = 300;
const LIFETIME_SECONDS = 3_600;
const MARGIN_SECONDS = 30;

const refusal = Object.assign(new Error('AADSTS7000112: disabled'), { status: 400, errorNo: '7000112' });
const outage = new DeadlineError('no answer');
/** Longer than a refusal is cached. */
const STEP_SECONDS = 5;

/** A scripted Entra: each sign-in returns the next token, or fails on request. */
class ScriptedHome implements HomeCredential {
  readonly signIns: string[] = [];
  failure: Error | undefined;
  readonly #clock: TestClock;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  async signIn(entraTenantId: string, scope: string): Promise<AccessToken> {
    this.signIns.push(`${entraTenantId} ${scope}`);
    if (this.failure) throw this.failure;
    return {
      token: `token ${this.signIns.length}`,
      expiresOnTimestamp: this.#clock.wallMs() + LIFETIME_SECONDS * 1_000,
    };
  }
}

let clock: TestClock;
let home: ScriptedHome;
let credential: TenantCredential;
beforeEach(() => {
  clock = new TestClock();
  home = new ScriptedHome(clock);
  const tokenMaxAgeMs = MAX_AGE_SECONDS * 1_000;
  const signIns = signInsOf(home, 'app', clock);
  credential = new TenantCredential({ signIns, entraTenantId: DIRECTORY, tokenMaxAgeMs, clock });
});

const tokenOf = async (scope = VAULT): Promise<string> => (await credential.getToken(scope)).token;

describe('a token', () => {
  test('is used while it is young, and is replaced at its maximum age', async () => {
    expect(await tokenOf()).toBe('token 1');
    clock.advance(MAX_AGE_SECONDS - 1);
    expect(await tokenOf()).toBe('token 1');
    clock.advance(1);
    expect(await tokenOf()).toBe('token 2');
    expect(home.signIns).toEqual([`${DIRECTORY} ${VAULT}`, `${DIRECTORY} ${VAULT}`]);
  });

  test('is requested once by 50 concurrent calls, cold and old', async () => {
    const fifty = () => Promise.all(Array.from({ length: 50 }, () => tokenOf()));
    expect(new Set(await fifty())).toEqual(new Set(['token 1']));
    clock.advance(MAX_AGE_SECONDS);
    expect(new Set(await fifty())).toEqual(new Set(['token 2']));
    expect(home.signIns).toHaveLength(2);
  });

  test('never looks valid to the SDK, which therefore asks each time, however wrong the clock is', async () => {
    clock.jumpWall(10 * 365 * 86_400);
    const { expiresOnTimestamp } = await credential.getToken(VAULT);
    expect(expiresOnTimestamp).toBeLessThanOrEqual(Date.now());
  });

  test('for one scope is not the token for another', async () => {
    expect([await tokenOf(VAULT), await tokenOf(HSM), await tokenOf(VAULT)]).toEqual(['token 1', 'token 2', 'token 1']);
    expect((await credential.getToken([HSM])).token).toBe('token 2');
  });

  test('is not duplicated by claims or continuous access evaluation', async () => {
    await tokenOf();
    await credential.getToken(VAULT, { enableCae: true, claims: '{}', tenantId: DIRECTORY });
    expect(home.signIns).toHaveLength(1);
  });

  test('with a maximum age above its lifetime is replaced before it expires', async () => {
    credential = new TenantCredential({
      signIns: signInsOf(home, 'app', clock),
      entraTenantId: DIRECTORY,
      tokenMaxAgeMs: 86_400_000,
      clock,
    });
    await tokenOf();
    clock.advance(LIFETIME_SECONDS - MARGIN_SECONDS - 1);
    expect(await tokenOf()).toBe('token 1');
    clock.advance(1);
    expect(await tokenOf()).toBe('token 2');
  });
});

describe('an old token', () => {
  beforeEach(async () => {
    await tokenOf();
    clock.advance(MAX_AGE_SECONDS);
  });

  test('is dropped for every scope when Entra refuses, and is not used in a later outage', async () => {
    home.failure = refusal;
    await expect(tokenOf()).rejects.toMatchObject({ code: 'access-revoked', reason: 'app-disabled', scope: 'tenant' });
    home.failure = outage;
    clock.advance(STEP_SECONDS);
    await expect(tokenOf()).rejects.toMatchObject({ code: 'identity-unavailable' });
    home.failure = undefined;
    clock.advance(STEP_SECONDS);
    expect(await tokenOf()).toBe('token 4');
  });

  test('for another scope is dropped with it', async () => {
    await tokenOf(HSM);
    home.failure = refusal;
    await expect(tokenOf(VAULT)).rejects.toMatchObject({ code: 'access-revoked' });
    home.failure = outage;
    clock.advance(STEP_SECONDS);
    await expect(tokenOf(HSM)).rejects.toMatchObject({ code: 'identity-unavailable' });
  });

  test('is used while Entra does not answer, which is called again every 10 s in the background', async () => {
    home.failure = outage;
    for (let time = 0; time < 3; time += 1) expect(await tokenOf()).toBe('token 1');
    expect(home.signIns).toHaveLength(2);
    clock.advance(10);
    expect(await tokenOf()).toBe('token 1');
    await new Promise(setImmediate);
    expect(home.signIns).toHaveLength(3);
    home.failure = undefined;
    clock.advance(10);
    expect(await tokenOf()).toBe('token 1');
    await new Promise(setImmediate);
    expect(await tokenOf()).toBe('token 4');
  });

  test('is not used long after an outage before Entra was called again', async () => {
    home.failure = outage;
    await tokenOf();
    home.failure = refusal;
    clock.advance(20);
    await expect(tokenOf()).rejects.toMatchObject({ code: 'access-revoked' });
  });

  test('is dropped when Entra has recovered and refuses', async () => {
    home.failure = outage;
    await tokenOf();
    home.failure = refusal;
    clock.advance(10);
    await tokenOf();
    await new Promise(setImmediate);
    await expect(tokenOf()).rejects.toMatchObject({ code: 'access-revoked' });
  });

  test.each([[429], [500], [503]])('is used while Entra answers %i', async (status) => {
    home.failure = Object.assign(new Error('trouble'), { status });
    expect(await tokenOf()).toBe('token 1');
  });

  test('is not used in an outage once it has expired', async () => {
    home.failure = outage;
    clock.advance(LIFETIME_SECONDS - MAX_AGE_SECONDS - MARGIN_SECONDS - 1);
    expect(await tokenOf()).toBe('token 1');
    clock.advance(1);
    await expect(tokenOf()).rejects.toMatchObject({ code: 'identity-unavailable' });
  });

  test('is used by all of 50 calls that meet one outage together, with one sign-in', async () => {
    home.failure = outage;
    const tokens = await Promise.all(Array.from({ length: 50 }, () => tokenOf()));
    expect(new Set(tokens)).toEqual(new Set(['token 1']));
    expect(home.signIns).toHaveLength(2);
  });
});

describe('a sign-in', () => {
  test('that a customer refuses is not repeated within its back-off step, and succeeds after it', async () => {
    home.failure = refusal;
    await expect(tokenOf()).rejects.toMatchObject({ code: 'access-revoked' });
    home.failure = undefined;
    await expect(tokenOf()).rejects.toMatchObject({ code: 'access-revoked', reason: 'app-disabled' });
    clock.advance(STEP_SECONDS);
    expect(await tokenOf()).toBe('token 2');
  });

  test("to another directory than the record's, as a vault's challenge may name, is never made", async () => {
    const tenantId = 'b4d18f26-6a7c-4e95-8301-e5c9270ad46f';
    await expect(credential.getToken(VAULT, { tenantId })).rejects.toMatchObject({
      code: 'tenant-misconfigured',
      reason: 'vault-elsewhere',
      scope: 'key',
    });
    expect(home.signIns).toEqual([]);
    expect((await credential.getToken(VAULT, { tenantId: DIRECTORY.toUpperCase() })).token).toBe('token 1');
  });

  test('is repeated when the vault did not accept the token, at most every 10 s', async () => {
    await tokenOf();
    credential.renew();
    expect(await tokenOf()).toBe('token 2');
    credential.renew();
    expect(await tokenOf()).toBe('token 2');
    clock.advance(10);
    credential.renew();
    expect(await tokenOf()).toBe('token 3');
  });
});
