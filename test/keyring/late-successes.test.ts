import { describe, expect, test } from '@jest/globals';
import { BOUND, CMK_V1, codeOf, Deployment, settle } from '../support/deployment.ts';
import { refusal, signInRefusal } from '../support/jwk-key-wrapper.ts';
import { refuseAll } from '../support/warm-process.ts';

const roleMissing = () => refusal('role-missing');

describe('a success that began before a refusal and arrives after it', () => {
  const refusals = [
    ['of the key', roleMissing, 'cmk'],
    ['of the sign-in', signInRefusal, 'cmk'],
    ['of the sign-in, met by another key', signInRefusal, 'hsm'],
  ] as const;

  test.each(refusals)('does not undo a refusal %s: decrypt', async (_what, error, key) => {
    const { vault, clock, process, slow, arrive } = await overtaken('unwrapKey', 'cold', error, key);
    await arrive(() => process.decrypt(slow));
    clock.advance(1);
    expect(await codeOf(process.decrypt(slow))).toBe('access-revoked');
    expect(vault.takeOperations()).toEqual([]);
  });

  test.each(refusals)(
    'does not undo a refusal %s: decrypt under a version that was proven',
    async (_what, error, key) => {
      const { vault, clock, process, slow, known, arrive } = await overtaken('unwrapKey', 'cold', error, key);
      await process.decrypt(known);
      await arrive(() => process.decrypt(slow));
      clock.advance(1);
      expect(await codeOf(process.decrypt(slow))).toBe('access-revoked');
      expect(vault.takeOperations()).toEqual([]);
    },
  );

  test.each(refusals)('does not undo a refusal %s: renewal', async (_what, error, key) => {
    const { vault, clock, process, slow, arrive } = await overtaken('unwrapKey', 'proven', error, key);
    await arrive(() => process.decrypt(slow));
    clock.advance(1);
    expect(await codeOf(process.decrypt(slow))).toBe('access-revoked');
    expect(vault.takeOperations()).toEqual([]);
  });

  test.each(refusals)('does not undo a refusal %s: encrypt, in its unwrap', async (_what, error, key) => {
    const { vault, clock, process, arrive } = await overtaken('unwrapKey', 'cold', error, key);
    await arrive(() => process.encrypt());
    clock.advance(1);
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    expect(vault.takeOperations()).toEqual([]);
  });

  test.each(refusals)('does not undo a refusal %s: encrypt, in its wrap', async (_what, error, key) => {
    const { vault, clock, process, arrive } = await overtaken('wrapKey', 'cold', error, key);
    expect(await arrive(() => process.encrypt())).toBe('access-revoked');
    clock.advance(1);
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    expect(vault.takeOperations()).toEqual([]);
  });

  test('restores no data key under a version that was found disabled meanwhile', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: 100_000, dataKeys: { maxMessages: 10 } });
    const { vault, clock } = deployment;
    const process = deployment.start();
    for (let count = 0; count < 8; count += 1) await process.encrypt();
    const wrap = vault.hold('wrapKey');
    await process.encrypt(); // begins to mint early
    await settle();
    expect(wrap.waiting).toBe(1);
    vault.change(CMK_V1, { enabled: false });
    clock.advance(900);
    await process.encrypt(); // causes the key to be read again
    await settle();
    wrap.open();
    await settle();
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
  });

  /**
   * `arrive` returns the code of a request whose vault call was granted before another request was
   * refused, and answered after it.
   */
  async function overtaken(
    operation: 'wrapKey' | 'unwrapKey',
    state: 'cold' | 'proven',
    error: () => Error,
    key: string,
  ) {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const slow = await deployment.start().encrypt();
    const known = await deployment.start().encrypt();
    const fast = await deployment.start().encrypt('a', { key });
    const process = deployment.start();
    if (state === 'proven') {
      await process.decrypt(slow);
      clock.advance(BOUND / 2);
    }
    const arrive = async (request: () => Promise<unknown>): Promise<string> => {
      const gate = vault.hold(operation);
      const outcome = codeOf(request());
      await settle();
      expect(gate.waiting).toBe(1);
      gate.letLaterPass();
      clock.advance(1);
      refuseAll(vault, error);
      expect(await codeOf(process.decrypt(fast))).toBe('access-revoked');
      vault.takeOperations();
      gate.open();
      const code = await outcome;
      await settle();
      return code;
    };
    return { vault, clock, process, slow, known, arrive };
  }
});
