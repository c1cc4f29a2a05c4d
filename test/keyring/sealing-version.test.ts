import { describe, expect, test } from '@jest/globals';
import { CMK_V1, CMK_V2, codeOf, Deployment, HSM_KEY, headerOf, settle } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';

/** Longer than any test takes, for tests that do not concern proofs of access. */
const ALWAYS = 10_000_000;

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
