import { describe, expect, test } from '@jest/globals';
import { allAtOnce, BOUND, codeOf, Deployment, settle } from '../support/deployment.ts';
import { outage } from '../support/jwk-key-wrapper.ts';

/** Returns messages under one key version, each with a data key of its own. */
const _sealEach = (deployment: Deployment, count: number, key = 'cmk'): Promise<string[]> =>
  allAtOnce(count, () => deployment.start().encrypt('a', { key }));

describe('an outage of the vault', () => {
  test('is survived until the bound, then requests get 503, and the next request notices its end', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.answer = () => {
      throw outage();
    };
    for (let seconds = 10; seconds < BOUND; seconds += 10) {
      clock.advance(10);
      expect(await codeOf(process.decrypt(message))).toBe('ok');
      expect(await codeOf(process.encrypt())).toBe('ok');
      await settle();
    }
    clock.advance(10);
    for (let count = 0; count < 3; count += 1) {
      expect(await codeOf(process.decrypt(message))).toBe('vault-unavailable');
      expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
    }
    vault.answer = () => {};
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(await codeOf(process.encrypt())).toBe('ok');
  });

  test('causes few calls while the proof is valid', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.takeOperations();
    vault.answer = () => {
      throw outage();
    };
    clock.advance(BOUND / 2);
    for (let seconds = BOUND / 2; seconds < BOUND; seconds += 1) {
      await process.decrypt(message);
      await settle();
      clock.advance(1);
    }
    const calls = vault.takeOperations().length;
    expect(calls).toBeGreaterThanOrEqual(5);
    expect(calls).toBeLessThanOrEqual(20);
    expect(process.backgroundFailures.length).toBe(calls);
  });

  test('that ends before the bound is not visible to callers', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.answer = () => {
      throw outage();
    };
    clock.advance(BOUND - 30);
    await process.decrypt(message);
    await settle();
    vault.answer = () => {};
    clock.advance(20);
    await process.decrypt(message);
    await settle();
    vault.takeOperations();
    clock.advance(100);
    await process.decrypt(message);
    expect(vault.takeOperations()).toEqual([]);
  });

  test.each(['vault-throttled', 'identity-unavailable', 'home-credential-rejected'] as const)(
    '%s counts as one too',
    async (code) => {
      const deployment = new Deployment();
      const process = deployment.start();
      const message = await process.encrypt();
      deployment.vault.answer = () => {
        throw Object.assign(outage(), { code });
      };
      deployment.clock.advance(BOUND - 1);
      expect(await codeOf(process.decrypt(message))).toBe('ok');
      deployment.clock.advance(1);
      expect(await codeOf(process.decrypt(message))).toBe(code);
      deployment.vault.answer = () => {};
      expect(await codeOf(process.decrypt(message))).toBe('ok');
    },
  );

  test('minting ahead does not flood an unavailable vault with calls', async () => {
    const deployment = new Deployment({ dataKeys: { maxMessages: 1_000 } });
    const { vault } = deployment;
    const process = deployment.start();
    for (let count = 0; count < 899; count += 1) await process.encrypt();
    vault.takeOperations();
    vault.answer = () => {
      throw outage();
    };
    for (let count = 899; count < 999; count += 1) {
      await process.encrypt();
      await settle();
    }
    expect(vault.takeOperations().length).toBeLessThanOrEqual(10);
  });
});
