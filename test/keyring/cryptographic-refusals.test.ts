import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { parseKid } from '../../src/format/kek-ref.ts';
import { allAtOnce, CMK_V1, CMK_V2, codeOf, Deployment } from '../support/deployment.ts';
import { forge } from '../support/forge.ts';
import { outage } from '../support/jwk-key-wrapper.ts';
import { permitAll, refuseAll, warmProcess } from '../support/warm-process.ts';

describe('a cryptographic refusal', () => {
  test('is cached: the second decrypt makes no call', async () => {
    const { vault, process } = await warmProcess();
    const forged = forge();
    for (let count = 0; count < 3; count += 1) expect(await codeOf(process.decrypt(forged))).toBe('undecryptable');
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('is shared by 50 concurrent decrypts', async () => {
    const { vault, process } = await warmProcess();
    const forged = forge();
    const codes = await allAtOnce(50, () => codeOf(process.decrypt(forged)));
    expect(new Set(codes)).toEqual(new Set(['undecryptable']));
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test.each([
    { seconds: 599, calls: ['unwrapKey'] },
    { seconds: 601, calls: ['unwrapKey', 'unwrapKey'] },
  ])('is cached for 10 minutes: after $seconds s the vault was called $calls.length times', async (row) => {
    const { vault, clock, process } = await warmProcess();
    const forged = forge();
    await codeOf(process.decrypt(forged));
    clock.advance(row.seconds);
    expect(await codeOf(process.decrypt(forged))).toBe('undecryptable');
    expect(vault.takeOperations()).toEqual(row.calls);
  });

  test('applies to one encrypted key and not to the key version', async () => {
    const { vault, process, message } = await warmProcess();
    expect(await codeOf(process.decrypt(forge()))).toBe('undecryptable');
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('is separate for another version that names the same encrypted key', async () => {
    const { vault, process } = await warmProcess();
    const encryptedKey = randomBytes(256).fill(0, 0, 1).toString('base64url');
    await codeOf(process.decrypt(forge({ encryptedKey })));
    await codeOf(process.decrypt(forge({ encryptedKey, kid: CMK_V2 })));
    expect(vault.takeOperations()).toEqual(['unwrapKey', 'unwrapKey']);
  });

  test.each([16, 24, 31, 33, 64])('a data key of %d bytes counts as one if the origin is optional', async (size) => {
    const { deployment, vault, process } = await warmProcess();
    deployment.register({ ...(await deployment.get('contoso')), origin: 'optional', revision: '2' });
    const forged = await wrappedMessage(deployment, randomBytes(size));
    expect(await codeOf(process.decrypt(forged))).toBe('undecryptable');
    expect(await codeOf(process.decrypt(forged))).toBe('undecryptable');
    expect(vault.takeOperations()).toEqual(['readKey', 'unwrapKey']);
  });

  test.each([16, 31, 33])("a data key of %d bytes is the vault's fault if only ours are accepted", async (size) => {
    const { deployment, vault, process } = await warmProcess();
    const forged = await wrappedMessage(deployment, randomBytes(size));
    expect(await codeOf(process.decrypt(forged))).toBe('vault-unavailable');
    expect(await codeOf(process.decrypt(forged))).toBe('vault-unavailable');
    expect(vault.takeOperations()).toEqual(['unwrapKey', 'unwrapKey']);
  });

  test('an outage is not cached as one', async () => {
    const deployment = new Deployment();
    const message = await deployment.start().encrypt();
    const process = deployment.start();
    refuseAll(deployment.vault, outage);
    expect(await codeOf(process.decrypt(message))).toBe('vault-unavailable');
    permitAll(deployment.vault);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
  });
});

/** Returns a message whose encrypted key the vault unwraps to these bytes. */
async function wrappedMessage(deployment: Deployment, committed: Buffer): Promise<string> {
  const kek = parseKid(CMK_V1);
  if (!kek) throw new Error('no key id');
  const { vault } = deployment;
  const { bytes } = await vault.wrapKey(await deployment.get('contoso'), kek, 'RSA-OAEP-256', committed);
  vault.takeOperations();
  return forge({ committed, encryptedKey: bytes.toString('base64url') });
}
