import { describe, expect, test } from '@jest/globals';
import { systemRandom } from '../../src/lib/random.ts';
import { allAtOnce, BOUND, codeOf, Deployment, encryptedKeyOf, settle } from '../support/deployment.ts';
import { outage, refusal } from '../support/jwk-key-wrapper.ts';

const MIB = 2 ** 20;
/** Longer than any test takes, for tests that do not concern proofs of access. */
const ALWAYS = 10_000_000;

/** Returns how many messages each data key sealed, in order. */
function usesOf(messages: readonly string[]): number[] {
  return [...Map.groupBy(messages, encryptedKeyOf).values()].map(({ length }) => length);
}

describe('the first messages', () => {
  test('50 concurrent cold encrypts share one read, one wrap and one unwrap', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const messages = await allAtOnce(50, () => process.encrypt());
    expect(deployment.vault.takeOperations()).toEqual(['readKey', 'wrapKey', 'unwrapKey']);
    expect(usesOf(messages)).toEqual([50]);
  });

  test('warm encrypts and decrypts of own messages never reach the vault', async () => {
    const deployment = new Deployment();
    const { vault } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.takeOperations();
    for (let count = 0; count < 100; count += 1) {
      await process.decrypt(await process.encrypt());
      await process.decrypt(message);
    }
    expect(vault.takeOperations()).toEqual([]);
  });

  test('keys, tenants and processes have data keys of their own', async () => {
    const deployment = new Deployment();
    deployment.register({ ...(await deployment.get('contoso')), id: 'fabrikam' });
    const [first, second] = [deployment.start(), deployment.start()];
    const messages = await Promise.all([
      first.encrypt(),
      first.encrypt('a', { key: 'hsm' }),
      first.encrypt('a', { tenantId: 'fabrikam' }),
      second.encrypt(),
    ]);
    expect(usesOf(messages)).toEqual([1, 1, 1, 1]);
  });

  test('a process never seals with a data key that it only opened', async () => {
    const deployment = new Deployment();
    const [writer, reader] = [deployment.start(), deployment.start()];
    const message = await writer.encrypt();
    await reader.decrypt(message);
    expect(encryptedKeyOf(await reader.encrypt())).not.toBe(encryptedKeyOf(message));
  });

  test.each([
    ['three bytes', Buffer.alloc(3)],
    ['other bytes', Buffer.alloc(256, 1)],
  ])('encrypt fails if a wrap returns %s, however recent the proof of access is', async (_what, bytes) => {
    const deployment = new Deployment({ dataKeys: { maxMessages: 1 } });
    const process = deployment.start();
    await process.encrypt();
    const { wrapKey } = deployment.vault;
    deployment.vault.wrapKey = async () => ({ bytes, vaultCall: { vaultClientRequestId: '' } });
    expect(await codeOf(process.encrypt())).not.toBe('ok');
    deployment.vault.wrapKey = wrapKey;
    expect(await codeOf(deployment.start().decrypt(await process.encrypt()))).toBe('ok');
  });

  test('encrypt fails if the vault does not unwrap its own wrap, and seals nothing under that data key', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const { wrapKey } = deployment.vault;
    deployment.vault.wrapKey = (tenant, kek, algorithm) =>
      wrapKey.call(deployment.vault, tenant, kek, algorithm, Buffer.alloc(32, 1));
    expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
    deployment.vault.wrapKey = wrapKey;
    expect(await codeOf(deployment.start().decrypt(await process.encrypt()))).toBe('ok');
  });

  test('an unwrap that is refused after the wrap makes encrypt fail', async () => {
    const deployment = new Deployment();
    deployment.vault.answer = ({ operation }) => {
      if (operation === 'unwrapKey') throw refusal('role-missing');
    };
    expect(await codeOf(deployment.start().encrypt())).toBe('access-revoked');
  });

  test('after an outage of the vault the next encrypt succeeds', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    for (const operation of ['readKey', 'wrapKey', 'unwrapKey']) {
      deployment.vault.answer = (call) => {
        if (call.operation === operation) throw outage();
      };
      expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
    }
    deployment.vault.answer = () => {};
    expect(await codeOf(process.encrypt())).toBe('ok');
  });
});

describe('bounds of a data key', () => {
  test('one second before its maximum age it seals, at that age it does not', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const first = await process.encrypt();
    deployment.clock.advance(3_599);
    expect(encryptedKeyOf(await process.encrypt())).toBe(encryptedKeyOf(first));
    const idle = deployment.start();
    const second = await idle.encrypt();
    deployment.clock.advance(3_600);
    expect(encryptedKeyOf(await idle.encrypt())).not.toBe(encryptedKeyOf(second));
  });

  test('a proof of access does not reset its age', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const messages: string[] = [];
    for (let minute = 0; minute < 120; minute += 1) {
      messages.push(await process.encrypt());
      await settle();
      deployment.clock.advance(60);
    }
    expect(Math.max(...usesOf(messages))).toBeLessThanOrEqual(60);
  });

  test("the tenant's own maximum age applies", async () => {
    const deployment = new Deployment({ dataKeys: { maxAgeSeconds: 60 } });
    const process = deployment.start();
    const first = await process.encrypt();
    deployment.clock.advance(60);
    expect(encryptedKeyOf(await process.encrypt())).not.toBe(encryptedKeyOf(first));
  });

  test('it never seals more than its maximum number of messages, one after the other', async () => {
    const process = new Deployment({ dataKeys: { maxMessages: 5 } }).start();
    const messages: string[] = [];
    for (let count = 0; count < 23; count += 1) messages.push(await process.encrypt());
    const uses = usesOf(messages);
    expect(uses.reduce((sum, use) => sum + use, 0)).toBe(23);
    expect(Math.max(...uses)).toBeLessThanOrEqual(5);
  });

  test.each([1, 5, 7])('it never seals more than its maximum of %d messages, all at once', async (maxMessages) => {
    const deployment = new Deployment({ dataKeys: { maxMessages } });
    const process = deployment.start();
    const messages = [
      ...(await allAtOnce(23, () => process.encrypt())),
      ...(await allAtOnce(23, () => process.encrypt())),
    ];
    const uses = usesOf(messages);
    expect(messages.length).toBe(46);
    expect(Math.max(...uses)).toBeLessThanOrEqual(maxMessages);
    expect(uses.length).toBeLessThanOrEqual(Math.ceil(46 / maxMessages) + 2);
  });

  test('it never seals more than its maximum of bytes', async () => {
    const deployment = new Deployment({ dataKeys: { maxBytes: 32 * MIB } });
    const { dataKeys } = deployment.start();
    const tenant = await deployment.get('contoso');
    const { cmk } = tenant.keys;
    if (!cmk) throw new Error('no key');
    const sizes = [16, 16, 1, 20, 12, 13, 20, 32, 31, 2];
    const bytesBy = new Map<string, number>();
    for (const size of sizes) {
      const { encryptedKey } = (await dataKeys.forSealing(tenant, cmk, size * MIB)).key.dataKey;
      bytesBy.set(encryptedKey, (bytesBy.get(encryptedKey) ?? 0) + size);
    }
    expect([...bytesBy.values()]).toEqual([32, 21, 25, 20, 32, 31, 2]);
  });

  test('a use counts when it is given, whether or not it seals anything', async () => {
    const deployment = new Deployment({ dataKeys: { maxMessages: 2 } });
    const { dataKeys } = deployment.start();
    const tenant = await deployment.get('contoso');
    const { cmk } = tenant.keys;
    if (!cmk) throw new Error('no key');
    const uses = [];
    for (let count = 0; count < 4; count += 1) uses.push(await dataKeys.forSealing(tenant, cmk, 0));
    const keys = uses.map(({ key }) => key.dataKey.encryptedKey);
    expect(keys[0]).toBe(keys[1]);
    expect(keys[1]).not.toBe(keys[2]);
    expect(keys[2]).toBe(keys[3]);
  });
});

describe('minting ahead', () => {
  test('at 90 % of the messages the next data key is made in the background', async () => {
    const deployment = new Deployment({ dataKeys: { maxMessages: 20 } });
    const { vault } = deployment;
    const process = deployment.start();
    const messages = [await process.encrypt()];
    vault.takeOperations();
    const wrap = vault.hold('wrapKey');
    for (let count = 2; count <= 17; count += 1) messages.push(await process.encrypt());
    await settle();
    expect(wrap.waiting).toBe(0);
    for (let count = 18; count <= 20; count += 1) messages.push(await process.encrypt());
    expect(usesOf(messages)).toEqual([20]);
    expect(wrap.waiting).toBe(1);
    wrap.open();
    await settle();
    for (let count = 0; count < 10; count += 1) messages.push(await process.encrypt());
    expect(usesOf(messages)).toEqual([20, 10]);
    expect(vault.takeOperations()).toEqual(['wrapKey', 'unwrapKey']);
  });

  test('at 90 % of the age one wrap, proven by an unwrap, makes the next data key', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: ALWAYS });
    const { vault, clock } = deployment;
    const process = deployment.start();
    const first = await process.encrypt();
    vault.takeOperations();
    clock.advance(899);
    for (let seconds = 899; seconds < 3_239; seconds += 90) {
      await process.encrypt();
      await settle();
      clock.advance(90);
    }
    expect(encryptedKeyOf(await process.encrypt())).toBe(encryptedKeyOf(first));
    await settle();
    expect(vault.takeOperations()).toEqual(['readKey', 'readKey', 'readKey']);
    clock.advance(1);
    expect(encryptedKeyOf(await process.encrypt())).toBe(encryptedKeyOf(first));
    await settle();
    expect(vault.takeOperations()).toEqual(['wrapKey', 'unwrapKey']);
    expect(encryptedKeyOf(await process.encrypt())).not.toBe(encryptedKeyOf(first));
  });

  test('its failure is reported and fails no request', async () => {
    const deployment = new Deployment({ dataKeys: { maxMessages: 10 } });
    const process = deployment.start();
    await process.encrypt();
    deployment.vault.answer = () => {
      throw outage();
    };
    for (let count = 2; count <= 10; count += 1) expect(await codeOf(process.encrypt())).toBe('ok');
    await settle();
    expect(process.backgroundFailures).toContainEqual(expect.objectContaining({ code: 'vault-unavailable' }));
    expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
    deployment.vault.answer = () => {};
    expect(await codeOf(process.encrypt())).toBe('ok');
  });
});

describe('a clock that jumps', () => {
  test.each([61, -61])('by %d seconds drops data keys and proofs', async (seconds) => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const [writer, reader] = [deployment.start(), deployment.start()];
    const message = await writer.encrypt();
    await reader.decrypt(message);
    vault.takeOperations();
    clock.jumpWall(seconds);
    expect(encryptedKeyOf(await writer.encrypt())).not.toBe(encryptedKeyOf(message));
    expect(vault.takeOperations()).toEqual(['readKey', 'wrapKey', 'unwrapKey']);
    await reader.decrypt(message);
    await reader.decrypt(message);
    expect(vault.takeOperations()).toEqual(['readKey', 'unwrapKey']);
  });

  test.each([
    [61, 2],
    [60, 1],
  ])('by %d seconds leaves %d draw(s) of the pool of IVs after two messages', async (seconds, draws) => {
    const deployment = new Deployment();
    let pools = 0;
    deployment.draw = (bytes) => {
      if (bytes > 1_000) pools += 1;
      return systemRandom(bytes);
    };
    const process = deployment.start();
    await process.encrypt();
    deployment.clock.jumpWall(seconds);
    await process.encrypt();
    expect(pools).toBe(draws);
  });

  test.each([60, -60])('by %d seconds changes nothing', async (seconds) => {
    const deployment = new Deployment();
    const process = deployment.start();
    const message = await process.encrypt();
    deployment.vault.takeOperations();
    deployment.clock.jumpWall(seconds);
    expect(encryptedKeyOf(await process.encrypt())).toBe(encryptedKeyOf(message));
    await process.decrypt(message);
    expect(deployment.vault.takeOperations()).toEqual([]);
  });

  test('time that passes on both clocks is no jump', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: ALWAYS });
    const process = deployment.start();
    const message = await process.encrypt();
    deployment.clock.advance(800);
    expect(encryptedKeyOf(await process.encrypt())).toBe(encryptedKeyOf(message));
  });
});

test('one hour of steady encrypts and decrypts costs 31 vault calls', async () => {
  const deployment = new Deployment();
  const process = deployment.start();
  const first = await process.encrypt('first');
  for (let seconds = 10; seconds < 3_600; seconds += 10) {
    deployment.clock.advance(10);
    await process.decrypt(await process.encrypt());
    await process.decrypt(first);
    await settle();
  }
  const calls = Map.groupBy(deployment.vault.takeOperations(), (operation) => operation);
  // A read each 15 min, a wrap at 0 and 54 min, an unwrap at each half of the bound.
  expect(calls.get('readKey')?.length).toBe(4);
  expect(calls.get('wrapKey')?.length).toBe(2);
  expect(calls.get('unwrapKey')?.length).toBe(3_600 / (BOUND / 2) + 1); // of the second data key
  expect(process.backgroundFailures).toEqual([]);
});
