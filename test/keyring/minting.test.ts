import { describe, expect, test } from '@jest/globals';
import { systemRandom } from '../../src/lib/random.ts';
import {
  allAtOnce,
  BOUND,
  CMK_V1,
  CMK_V2,
  codeOf,
  Deployment,
  encryptedKeyOf,
  HSM_KEY,
  headerOf,
  settle,
} from '../support/deployment.ts';
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

describe('the version of the key', () => {
  test('a new version is noticed after 15 minutes and used, and old messages still open', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const kidNow = async () => headerOf(await process.encrypt())['kid'];
    const old = await process.encrypt('old');
    deployment.vault.makeNewest(CMK_V2);
    for (let seconds = 0; seconds < 900; seconds += 100) {
      expect(await kidNow()).toBe(CMK_V1);
      await settle();
      deployment.clock.advance(100);
    }
    await process.encrypt();
    await settle();
    expect(await kidNow()).toBe(CMK_V2);
    expect((await process.decrypt(old)).toString()).toBe('old');
  });

  test('a new version gets its data key before a request waits for it', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: ALWAYS });
    const { vault, clock } = deployment;
    const process = deployment.start();
    await process.encrypt();
    vault.makeNewest(CMK_V2);
    vault.takeOperations();
    clock.advance(900);
    const unwrap = vault.hold('unwrapKey');
    expect(headerOf(await process.encrypt())['kid']).toBe(CMK_V1);
    await settle();
    expect(unwrap.waiting).toBe(1);
    expect(headerOf(await process.encrypt())['kid']).toBe(CMK_V1);
    unwrap.open();
    await settle();
    expect(headerOf(await process.encrypt())['kid']).toBe(CMK_V2);
    expect(vault.takeOperations()).toEqual(['readKey', 'wrapKey', 'unwrapKey']);
  });

  test('after an idle period the first encrypt already uses the new version', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    await process.encrypt();
    deployment.vault.makeNewest(CMK_V2);
    deployment.clock.advance(1_000);
    expect(headerOf(await process.encrypt())['kid']).toBe(CMK_V2);
  });

  test('a pinned version is used whatever the newest is', async () => {
    const key = { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'cmk', use: 'data' } as const;
    const keyVersion = CMK_V2.slice(-32);
    const deployment = new Deployment({ keys: { cmk: { ...key, keyVersion } } });
    expect(headerOf(await deployment.start().encrypt())['kid']).toBe(CMK_V2);
    expect(deployment.vault.takeCalls()[0]).toEqual({ operation: 'readKey', tenantId: 'contoso', kid: CMK_V2 });
  });

  test("currentVersion returns the version that protects new data and shares encrypt's read", async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const process = deployment.start();
    await process.encrypt();
    vault.takeOperations();
    const tenant = await deployment.get('contoso');
    const { cmk } = tenant.keys;
    if (!cmk) throw new Error('no key');
    const version = async () => (await process.dataKeys.currentVersion(tenant, cmk)).kek.keyVersion;
    expect(await version()).toBe(CMK_V1.slice(-32));
    expect(vault.takeOperations()).toEqual([]);
    vault.makeNewest(CMK_V2);
    clock.advance(900);
    expect(await version()).toBe(CMK_V2.slice(-32));
    expect(vault.takeOperations()).toEqual(['readKey']);
  });
});

describe('a version that may not protect new data', () => {
  const HOUR = 3_600_000;

  test.each([
    ['disabled', { enabled: false }, 'access-revoked', 'key-disabled'],
    ['not valid yet', { notBefore: Date.UTC(2026, 10, 23) + 1 }, 'access-revoked', 'key-not-yet-valid'],
    ['expired', { expires: Date.UTC(2026, 10, 23) }, 'access-revoked', 'key-expired'],
    ['without wrapKey', { operations: ['unwrapKey'] }, 'access-revoked', 'key-operation-forbidden'],
    ['without unwrapKey', { operations: ['wrapKey', 'sign'] }, 'access-revoked', 'key-operation-forbidden'],
    ['of 1,024 bits', { bits: 1_024 }, 'tenant-misconfigured', 'key-too-weak'],
    ['of 2,047 bits', { bits: 2_047 }, 'tenant-misconfigured', 'key-too-weak'],
    ['of an unknown size', { bits: undefined }, 'tenant-misconfigured', 'key-too-weak'],
    ['of exponent 3', { publicExponent: 3 }, 'tenant-misconfigured', 'key-too-weak'],
  ])('%s: encrypt is refused and nothing is wrapped', async (_what, facts, code, reason) => {
    const deployment = new Deployment();
    deployment.vault.change(CMK_V1, facts);
    await expect(deployment.start().encrypt()).rejects.toMatchObject({
      code,
      reason,
      fix: { owner: 'resource-owner' },
    });
    expect(deployment.vault.takeOperations()).toEqual(['readKey']);
  });

  test.each([
    ['valid from now on', { notBefore: Date.UTC(2026, 10, 23) }],
    ['valid for a millisecond more', { expires: Date.UTC(2026, 10, 23) + 1 }],
    ['of 2,048 bits', { bits: 2_048 }],
  ])('%s: encrypt succeeds', async (_what, facts) => {
    const deployment = new Deployment();
    deployment.vault.change(CMK_V1, facts);
    expect(await codeOf(deployment.start().encrypt())).toBe('ok');
  });

  test.each([
    ['cmk', 'A256KW'],
    ['hsm', 'RSA-OAEP-256'],
    ['hsm', 'RSA-OAEP'],
  ] as const)('a record that gives the key %s the algorithm %s is refused', async (alias, algorithm) => {
    const { keys } = await new Deployment().get('contoso');
    const { [alias]: key } = keys;
    if (!key) throw new Error('no key');
    const deployment = new Deployment({ keys: { [alias]: { ...key, algorithm } } });
    await expect(deployment.start().encrypt('a', { key: alias })).rejects.toMatchObject({
      code: 'tenant-misconfigured',
      reason: 'key-type',
      fix: { owner: 'vendor' },
    });
  });

  test('the newest version disabled: encrypt is refused after the reread, never falls back, and old messages open', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const old = await process.encrypt('old');
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.change(CMK_V2, { enabled: false });
    deployment.clock.advance(900);
    await expect(process.encrypt()).rejects.toMatchObject({ code: 'access-revoked', reason: 'key-disabled' });
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    const tenant = await deployment.get('contoso');
    const { cmk } = tenant.keys;
    if (!cmk) throw new Error('no key');
    expect(await codeOf(process.dataKeys.currentVersion(tenant, cmk))).toBe('access-revoked');
    expect((await process.decrypt(old)).toString()).toBe('old');
    expect((await deployment.start().decrypt(old)).toString()).toBe('old');
  });

  test('the newest version disabled under steady traffic: encrypt is refused from the reread on', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: ALWAYS });
    const process = deployment.start();
    const old = await process.encrypt('old');
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.change(CMK_V2, { enabled: false });
    deployment.clock.advance(900);
    await codeOf(process.encrypt()); // this one finds it out in the background
    await settle();
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    expect((await process.decrypt(old)).toString()).toBe('old');
  });

  test('once the version is enabled again encrypt recovers within 10 seconds', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    deployment.vault.change(CMK_V1, { enabled: false });
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    deployment.vault.change(CMK_V1, { enabled: true });
    deployment.clock.advance(10);
    expect(await codeOf(process.encrypt())).toBe('ok');
  });

  test('a newest version whose wrap is refused: encrypt is refused and never falls back to the older one', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: ALWAYS });
    const process = deployment.start();
    const old = await process.encrypt('old');
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.answer = ({ operation, kid }) => {
      if (operation === 'wrapKey' && kid === CMK_V2) throw refusal('key-disabled');
    };
    deployment.clock.advance(900);
    await codeOf(process.encrypt());
    await settle();
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    expect((await process.decrypt(old)).toString()).toBe('old');
  });

  test('a newest version whose unwrap is refused: encrypt is refused and never falls back to the older one', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: ALWAYS });
    const process = deployment.start();
    const old = await process.encrypt('old');
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.answer = ({ operation, kid }) => {
      if (operation === 'unwrapKey' && kid === CMK_V2) throw refusal('key-disabled');
    };
    deployment.clock.advance(900);
    await codeOf(process.encrypt());
    await settle();
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    expect((await process.decrypt(old)).toString()).toBe('old');
  });

  test('a key that expires meanwhile: encrypt is refused from then on, decrypt still works', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: ALWAYS });
    deployment.vault.change(CMK_V1, { expires: deployment.clock.wallMs() + HOUR / 6 });
    const process = deployment.start();
    const old = await process.encrypt('old');
    deployment.clock.advance(599);
    expect(await codeOf(process.encrypt())).toBe('ok');
    deployment.clock.advance(1);
    await expect(process.encrypt()).rejects.toMatchObject({ code: 'access-revoked', reason: 'key-expired' });
    expect((await process.decrypt(old)).toString()).toBe('old');
    expect((await deployment.start().decrypt(old)).toString()).toBe('old');
  });

  test("one disabled key does not affect the tenant's other key", async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    deployment.vault.change(HSM_KEY, { enabled: false });
    expect(await codeOf(process.encrypt('a', { key: 'hsm' }))).toBe('access-revoked');
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
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
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
