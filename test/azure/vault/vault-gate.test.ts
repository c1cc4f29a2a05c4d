import { describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../../src/errors.ts';
import { GatedVault, made, outage, refusal, settled, throttled } from '../../support/gated-vault.ts';
import { until } from '../../support/until.ts';

describe('concurrent calls', () => {
  test('are limited; the end of one starts the next', async () => {
    const vault = new GatedVault({ maxConcurrent: 2 });
    const calls = vault.calls(4);
    await settled();
    expect(made(calls)).toBe(2);
    calls[0]?.answer();
    calls[1]?.fail(refusal());
    await settled();
    expect(made(calls)).toBe(4);
    for (const call of calls) call.answer();
    expect(await Promise.all(calls.map(({ outcome }) => outcome))).toEqual([
      'answered',
      'access-revoked',
      'answered',
      'answered',
    ]);
  });

  test('that are aborted free their place, and one aborted while it waits is never made', async () => {
    const vault = new GatedVault({ maxConcurrent: 1 });
    const [hanging, waiting, last] = vault.calls(3);
    await settled();
    waiting?.giveUp();
    expect(await waiting?.outcome).toBe('Error: given up');
    expect(last?.isMade()).toBe(false);
    hanging?.giveUp();
    await settled();
    expect([waiting?.isMade(), last?.isMade()]).toEqual([false, true]);
  });

  test("of a tenant with many waiting calls delay another tenant's call by a single turn", async () => {
    const vault = new GatedVault({ maxConcurrent: 1 });
    const flood = vault.calls(100, 'ciphertext', 'contoso');
    const other = vault.call('ciphertext', 'fabrikam');
    await settled();
    flood[0]?.answer();
    await settled();
    flood[1]?.answer();
    await settled();
    expect([made(flood), other.isMade()]).toEqual([2, true]);
  });

  test('for ciphertexts and callers let upkeep have its turn', async () => {
    const vault = new GatedVault({ maxConcurrent: 1 });
    const flood = [...vault.calls(50, 'ciphertext'), ...vault.calls(50, 'caller')];
    const proof = vault.call('upkeep');
    await settled();
    flood[0]?.answer();
    await settled();
    expect([made(flood), proof.isMade()]).toEqual([1, true]);
  });

  test('wait in a bounded number, of which no tenant has more than half', async () => {
    const vault = new GatedVault({ maxConcurrent: 1 });
    const calls = vault.calls(1 + 128);
    await settled();
    const beyond = await vault.call('caller').failure;
    expect(beyond).toMatchObject({ code: 'vault-unavailable', reason: 'busy', retryAfter: 1 });
    const others = vault.calls(128, 'upkeep', 'fabrikam');
    expect(await vault.call('upkeep', 'northwind').outcome).toBe('vault-unavailable busy');
    for (const call of [...calls, ...others]) call.answer();
    await Promise.all([...calls, ...others].map(({ outcome }) => outcome));
    const after = vault.call('upkeep', 'northwind');
    await settled();
    expect(after.isMade()).toBe(true);
  });
});

describe('the budget', () => {
  test('refuses a call that would wait for it longer than a second, with the time of the next try', async () => {
    const vault = new GatedVault({ budgetPerSecond: 0.5, budgetBurst: 4 });
    const calls = vault.calls(4, 'caller');
    await settled();
    expect(made(calls)).toBe(4);
    expect(await vault.call('upkeep').failure).toMatchObject({
      code: 'vault-throttled',
      reason: 'budget',
      retryAfter: 2,
    });
    expect(vault.rationed).toEqual(['budget']);
    vault.clock.advance(2);
    const later = vault.call('caller');
    await settled();
    expect(later.isMade()).toBe(true);
  });

  test('gives cold unwraps half of it, and the rest to calls that keep the tenant running', async () => {
    const vault = new GatedVault({ budgetPerSecond: 0.5, budgetBurst: 8 });
    const unwraps = vault.calls(5, 'ciphertext');
    await settled();
    expect([made(unwraps), await unwraps[4]?.outcome]).toEqual([4, 'vault-throttled budget']);
    const proofs = vault.calls(4, 'upkeep');
    await settled();
    expect(made(proofs)).toBe(4);
    vault.clock.advance(4);
    const later = vault.calls(2, 'ciphertext');
    await settled();
    expect([made(later), await later[1]?.outcome]).toEqual([1, 'vault-throttled budget']);
  });

  test('delays a call that it can start within a second', async () => {
    const vault = new GatedVault({ budgetPerSecond: 100, budgetBurst: 1 });
    const [first, second] = vault.calls(2);
    await settled();
    expect([first?.isMade(), second?.isMade()]).toEqual([true, false]);
    vault.clock.advance(0.01);
    second?.answer();
    expect(await second?.outcome).toBe('answered');
  });

  test("of a flooded vault still lets another tenant's calls wait for their turn", async () => {
    const vault = new GatedVault({ budgetPerSecond: 100, budgetBurst: 1 });
    const flood = vault.calls(200, 'caller', 'contoso');
    expect(await flood.at(-1)?.outcome).toBe('vault-throttled budget');
    const before = made(flood);
    const other = vault.call('caller', 'fabrikam');
    await until(() => {
      vault.clock.advance(0.01);
      return other.isMade();
    }, 'it is the turn of the other');
    expect(made(flood) - before).toBeLessThanOrEqual(2);
    for (const call of [...flood, other]) call.giveUp();
  });
});

describe('the breaker', () => {
  const opened = async (): Promise<GatedVault> => {
    const vault = new GatedVault();
    await vault.failing(10, outage);
    return vault;
  };

  test('opens after ten outages in a row, and no call is made then', async () => {
    const vault = new GatedVault();
    expect(await vault.failing(11, outage)).toEqual([
      ...Array.from({ length: 10 }, () => 'vault-unavailable'),
      'vault-unavailable breaker',
    ]);
    expect([vault.gate.isBreakerOpen, vault.breaker]).toEqual([true, [true]]);
    expect(await vault.call().failure).toMatchObject({ reason: 'breaker', retryAfter: 5 });
  });

  test('does not open if an answer comes between, even a refusal', async () => {
    const vault = new GatedVault();
    await vault.failing(9, outage);
    await vault.failing(1, refusal);
    await vault.failing(9, outage);
    expect([vault.gate.isBreakerOpen, vault.breaker]).toEqual([false, []]);
  });

  test('does not open on failures that say nothing about the vault', async () => {
    const vault = new GatedVault();
    await vault.failing(30, () => new ServiceError('identity-unavailable', 'Entra is away'));
    await vault.failing(30, () => new ServiceError('access-revoked', 'no app', { scope: 'tenant' }));
    await vault.failing(30, refusal);
    expect(vault.gate.isBreakerOpen).toBe(false);
  });

  test('counts aborted calls, and refuses the waiting ones', async () => {
    const vault = new GatedVault({ maxConcurrent: 10 });
    const hanging = vault.calls(10);
    const waiting = vault.calls(20);
    await settled();
    for (const call of hanging) call.giveUp();
    expect(await waiting.at(-1)?.outcome).toBe('vault-unavailable breaker');
    expect([vault.gate.isBreakerOpen, made(waiting)]).toEqual([true, 9]);
    for (const call of waiting) call.giveUp();
  });

  test('allows a single trial call after the pause, and closes when it is answered', async () => {
    const vault = await opened();
    vault.clock.advance(4.9);
    expect(await vault.call().outcome).toBe('vault-unavailable breaker');
    vault.clock.advance(0.1);
    const calls = vault.calls(5);
    await settled();
    expect(made(calls)).toBe(1);
    expect(await calls[4]?.outcome).toBe('vault-unavailable breaker');
    calls[0]?.answer();
    expect(await calls[0]?.outcome).toBe('answered');
    const after = vault.calls(5);
    await settled();
    expect([made(after), vault.breaker]).toEqual([5, [true, false]]);
  });

  test('stays open longer each time that no answer comes, up to a minute', async () => {
    const vault = await opened();
    for (const pause of [5, 10, 20, 40, 60, 60]) {
      vault.clock.advance(pause - 0.1);
      expect(await vault.call().outcome).toBe('vault-unavailable breaker');
      vault.clock.advance(0.1);
      expect(await vault.failing(1, outage)).toEqual(['vault-unavailable']);
    }
    expect(vault.breaker).toEqual([true]);
  });

  test('allows another trial call if the first shows nothing', async () => {
    const vault = await opened();
    vault.clock.advance(5);
    await vault.failing(1, () => new ServiceError('identity-unavailable', 'Entra is away'));
    const next = vault.call();
    await settled();
    expect(next.isMade()).toBe(true);
  });
});

describe('a throttling vault', () => {
  test('is not called during its Retry-After, and no longer', async () => {
    const vault = new GatedVault();
    const [call] = vault.calls(1);
    call?.fail(throttled(7)());
    expect(await call?.failure).toMatchObject({ code: 'vault-throttled', reason: undefined, retryAfter: 7 });
    expect(await vault.call().failure).toMatchObject({ code: 'vault-throttled', reason: 'back-off', retryAfter: 7 });
    vault.clock.advance(5.5);
    expect(await vault.call().failure).toMatchObject({ reason: 'back-off', retryAfter: 2 });
    vault.clock.advance(1.5);
    const later = vault.call();
    await settled();
    expect([later.isMade(), vault.gate.isBreakerOpen]).toEqual([true, false]);
  });

  test('without Retry-After gets longer pauses each time, until it serves again', async () => {
    const vault = new GatedVault();
    const longest: number[] = [];
    for (let time = 0; time < 8; time += 1) {
      const call = vault.call();
      call.fail(throttled()());
      const { retryAfter = 0 } = (await call.failure) as ServiceError;
      longest.push(retryAfter);
      vault.clock.advance(retryAfter);
    }
    for (const [time, seconds] of longest.entries()) {
      const most = Math.min(60, 2 ** (time + 1));
      expect(seconds).toBeGreaterThan(most / 2 - 1);
      expect(seconds).toBeLessThanOrEqual(most);
    }
    const served = vault.call();
    served.answer();
    await served.outcome;
    const again = vault.call();
    again.fail(throttled()());
    expect(await again.failure).toMatchObject({ retryAfter: 2 });
  });

  test('counts once for all concurrent calls', async () => {
    const vault = new GatedVault();
    const calls = vault.calls(20);
    await settled();
    for (const call of calls) call.fail(throttled()());
    const failures = await Promise.all(calls.map(({ failure }) => failure));
    expect(new Set(failures.map((failure) => (failure as ServiceError).retryAfter))).toEqual(new Set([2]));
  });

  test('for a day is called again after a minute', async () => {
    const vault = new GatedVault();
    await vault.failing(1, throttled(86_400));
    expect(await vault.call().failure).toMatchObject({ reason: 'back-off', retryAfter: 60 });
  });

  test('refuses waiting calls, except those that can start within a second', async () => {
    const vault = new GatedVault({ maxConcurrent: 1 });
    const [first, waiting] = vault.calls(2);
    await settled();
    first?.fail(throttled(30)());
    expect(await waiting?.outcome).toBe('vault-throttled back-off');
    vault.clock.advance(29.5);
    const patient = vault.call();
    await settled();
    expect(patient.isMade()).toBe(false);
    vault.clock.advance(0.5);
    patient.answer();
    expect(await patient.outcome).toBe('answered');
  });
});
