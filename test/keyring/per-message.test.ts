import { describe, expect, test } from '@jest/globals';
import {
  allAtOnce,
  BOUND,
  CMK_V1,
  CMK_V2,
  codeOf,
  Deployment,
  encryptedKeyOf,
  headerOf,
  settle,
} from '../support/deployment.ts';
import { outage, refusal } from '../support/jwk-key-wrapper.ts';

const perMessage = { dataKeys: { mode: 'perMessage' } } as const;

describe('a data key for each message', () => {
  test('every message has another encrypted key, and none costs a vault call while the proof is fresh', async () => {
    const deployment = new Deployment(perMessage);
    const process = deployment.start();
    const first = await process.encrypt();
    expect(deployment.vault.takeOperations()).toEqual(['readKey', 'wrapKey', 'unwrapKey']);
    const messages = [first, ...(await allAtOnce(20, () => process.encrypt()))];
    for (let count = 0; count < 20; count += 1) messages.push(await process.encrypt());
    expect(new Set(messages.map(encryptedKeyOf)).size).toBe(41);
    expect(deployment.vault.takeOperations()).toEqual([]);
  });

  test('50 concurrent cold encrypts share one read, one wrap and one unwrap', async () => {
    const deployment = new Deployment(perMessage);
    const process = deployment.start();
    const messages = await allAtOnce(50, () => process.encrypt());
    expect(new Set(messages.map(encryptedKeyOf)).size).toBe(50);
    expect(deployment.vault.takeOperations()).toEqual(['readKey', 'wrapKey', 'unwrapKey']);
  });

  test.each(['RSA-OAEP-256', 'RSA-OAEP'] as const)(
    'a key wrapped locally by %s is unwrapped by the vault',
    async (algorithm) => {
      const key = { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'cmk', use: 'data', algorithm } as const;
      const deployment = new Deployment({ ...perMessage, keys: { cmk: key } });
      const [writer, reader] = [deployment.start(), deployment.start()];
      const messages = await allAtOnce(5, (index) =>
        writer.encrypt(`value ${index}`, { context: { index: `${index}` } }),
      );
      deployment.vault.takeOperations();
      for (const [index, message] of messages.entries()) {
        const plaintext = await reader.decrypt(message, { context: { index: `${index}` } });
        expect(plaintext.toString()).toBe(`value ${index}`);
      }
      expect(deployment.vault.takeOperations()).toEqual(['readKey', ...Array.from({ length: 5 }, () => 'unwrapKey')]);
    },
  );

  test('a symmetric key has no public half: each message costs one wrap', async () => {
    const deployment = new Deployment(perMessage);
    const process = deployment.start();
    await process.encrypt('a', { key: 'hsm' });
    deployment.vault.takeOperations();
    const message = await process.encrypt('a', { key: 'hsm' });
    expect(deployment.vault.takeOperations()).toEqual(['wrapKey']);
    expect(await codeOf(deployment.start().decrypt(message))).toBe('ok');
  });

  test('the proof is renewed at half of the bound by one unwrap', async () => {
    const deployment = new Deployment(perMessage);
    const { vault, clock } = deployment;
    const process = deployment.start();
    await process.encrypt();
    vault.takeOperations();
    clock.advance(BOUND / 2);
    await allAtOnce(5, () => process.encrypt());
    await settle();
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('without a fresh proof nothing is sealed: messages are sealed during an outage until the bound', async () => {
    const deployment = new Deployment(perMessage);
    const process = deployment.start();
    await process.encrypt();
    deployment.vault.answer = () => {
      throw outage();
    };
    deployment.clock.advance(BOUND - 1);
    expect(await codeOf(process.encrypt())).toBe('ok');
    deployment.clock.advance(1);
    expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
  });

  test('after a refusal nothing is sealed', async () => {
    const deployment = new Deployment(perMessage);
    const process = deployment.start();
    await process.encrypt();
    deployment.vault.answer = () => {
      throw refusal('role-missing');
    };
    deployment.clock.advance(BOUND / 2);
    await process.encrypt();
    await settle();
    deployment.vault.takeOperations();
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    expect(deployment.vault.takeOperations()).toEqual([]);
  });

  test('nothing is sealed under a new version before the vault has unwrapped under it', async () => {
    const deployment = new Deployment(perMessage);
    const { vault, clock } = deployment;
    const process = deployment.start();
    await process.encrypt();
    vault.makeNewest(CMK_V2);
    clock.advance(899);
    await process.encrypt();
    clock.advance(1);
    const unwrap = vault.hold('unwrapKey');
    expect(headerOf(await process.encrypt())['kid']).toBe(CMK_V1); // causes the key to be read again
    await settle();
    expect(unwrap.waiting).toBe(1);
    expect(headerOf(await process.encrypt())['kid']).toBe(CMK_V1);
    unwrap.open();
    await settle();
    expect(headerOf(await process.encrypt())['kid']).toBe(CMK_V2);
  });

  test('a new version that the vault refuses to unwrap under is not used', async () => {
    const deployment = new Deployment(perMessage);
    const { vault, clock } = deployment;
    const process = deployment.start();
    await process.encrypt();
    vault.makeNewest(CMK_V2);
    vault.answer = ({ operation, kid }) => {
      if (operation === 'unwrapKey' && kid === CMK_V2) throw refusal('key-operation-forbidden');
    };
    clock.advance(899);
    await process.encrypt();
    clock.advance(1);
    await codeOf(process.encrypt());
    await settle();
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
  });

  test('a key that expires meanwhile seals nothing from then on', async () => {
    const deployment = new Deployment(perMessage);
    deployment.vault.change(CMK_V1, { expires: deployment.clock.wallMs() + 60_000 });
    const process = deployment.start();
    await process.encrypt();
    deployment.clock.advance(60);
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
  });
});
