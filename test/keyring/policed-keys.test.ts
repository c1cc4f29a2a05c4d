import { describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../src/errors.ts';
import { BOUND, CMK_V1, CMK_V2, codeOf, Deployment, settle } from '../support/deployment.ts';

const DENIES = { 'vaultspan-operations': 'encrypt' };

async function warm(tags: Record<string, string> = {}) {
  const deployment = new Deployment();
  const message = await deployment.start().encrypt();
  deployment.vault.change(CMK_V1, { tags });
  const process = deployment.start();
  return { deployment, message, process, vault: deployment.vault, clock: deployment.clock };
}

const reads = (vault: Deployment['vault']): number =>
  vault.takeOperations().filter((operation) => operation === 'readKey').length;

describe('a policy on a key', () => {
  test('is known before the first message is decrypted, cold and without a data key of its own', async () => {
    const { message, process } = await warm({ 'vaultspan-operations': 'encrypt' });
    expect(await codeOf(process.decrypt(message))).toBe('policy-refused');
    expect(await codeOf(process.encrypt())).toBe('ok');
  });

  test('that comes while keys are cached is in force within 20 minutes, without a change of the version', async () => {
    const { deployment, message, process, clock } = await warm();
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    deployment.vault.change(CMK_V1, { tags: DENIES });
    for (let minutes = 0; minutes < 20; minutes += 1) {
      await codeOf(process.decrypt(message));
      await settle();
      clock.advance(60);
    }
    expect(await codeOf(process.decrypt(message))).toBe('policy-refused');
  });

  test('that comes while nothing is asked is in force at the next use after 20 minutes', async () => {
    const { deployment, message, process, clock } = await warm();
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    deployment.vault.change(CMK_V1, { tags: DENIES });
    clock.advance(20 * 60);
    expect(await codeOf(process.decrypt(message))).toBe('policy-refused');
  });

  test('of a key that ever carried one is read anew with each proof, so a change is in force within the bound', async () => {
    const { deployment, message, process, clock, vault } = await warm({ 'vaultspan-leases': 'refused' });
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    vault.takeOperations();
    for (let bounds = 0; bounds < 6; bounds += 1) {
      clock.advance(BOUND / 2);
      await process.decrypt(message);
      await settle();
    }
    expect(reads(vault)).toBe(6);
    deployment.vault.change(CMK_V1, { tags: DENIES });
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(message))).toBe('policy-refused');
    deployment.vault.change(CMK_V1, { tags: {} });
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    deployment.vault.change(CMK_V1, { tags: DENIES });
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(message))).toBe('policy-refused');
  });

  test('costs a key without one a read in 15 to 20 minutes', async () => {
    const { message, process, clock, vault } = await warm();
    await process.decrypt(message);
    vault.takeOperations();
    for (let minutes = 0; minutes < 60; minutes += 1) {
      clock.advance(60);
      await process.decrypt(message);
      await settle();
    }
    expect(reads(vault)).toBe(3);
  });

  test('shortens the bound, and never lengthens it', async () => {
    const { message, process, clock, vault } = await warm({ 'vaultspan-bound': '60' });
    await process.decrypt(message);
    vault.takeOperations();
    clock.advance(60);
    await process.decrypt(message);
    expect(vault.takeOperations()).toEqual(['readKey', 'unwrapKey']);

    const widened = await warm({ 'vaultspan-bound': '3600' });
    await widened.process.decrypt(widened.message);
    widened.vault.takeOperations();
    widened.clock.advance(BOUND);
    await widened.process.decrypt(widened.message);
    expect(widened.vault.takeOperations()).toContain('unwrapKey');
  });

  test('of bound 0 makes each use ask the vault', async () => {
    const { message, process, vault } = await warm({ 'vaultspan-bound': '0' });
    await process.decrypt(message);
    vault.takeOperations();
    await process.decrypt(message);
    await process.decrypt(message);
    expect(vault.takeOperations().filter((operation) => operation === 'unwrapKey')).toHaveLength(2);
  });

  test('that cannot be read refuses everything, asks no unwrap, and is read again after 10 seconds', async () => {
    const { deployment, message, process, clock, vault } = await warm({ 'vaultspan-denied': 'a=b' });
    vault.takeOperations();
    for (let count = 0; count < 5; count += 1) {
      expect(await codeOf(process.decrypt(message))).toBe('tenant-misconfigured');
      expect(await codeOf(process.encrypt())).toBe('tenant-misconfigured');
    }
    expect(vault.takeOperations().filter((operation) => operation !== 'readKey')).toEqual([]);
    deployment.vault.change(CMK_V1, { tags: {} });
    clock.advance(10);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(await codeOf(process.encrypt())).toBe('ok');
  });

  test('that becomes unreadable ends the use of cached keys of every version', async () => {
    const { deployment, message, process, clock } = await warm({ 'vaultspan-leases': 'refused' });
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.change(CMK_V2, { tags: { 'vaultspan-leases': 'refused' } });
    const newer = await process.encrypt();
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    deployment.vault.change(CMK_V2, { tags: { 'vaultspan-leases': 'Refused!' } });
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(newer))).toBe('tenant-misconfigured');
    expect(await codeOf(process.decrypt(message))).toBe('tenant-misconfigured');
  });

  test('is that of the newest version, whichever version a message names', async () => {
    const { deployment, message, process } = await warm();
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.change(CMK_V2, { tags: DENIES });
    expect(await codeOf(process.decrypt(message))).toBe('policy-refused');
  });

  test('stays in force while a vault does not return the disabled newest version', async () => {
    const { deployment, message, process, clock } = await warm();
    deployment.vault.makeNewest(CMK_V2);
    deployment.vault.change(CMK_V2, { tags: { 'vaultspan-deny': 'purpose=marketing' } });
    const context = { purpose: 'marketing' };
    expect(await codeOf(process.decrypt(message, { context }))).toBe('policy-refused');
    deployment.vault.answer = ({ operation, kid }) => {
      if (operation === 'readKey' && !kid.endsWith(CMK_V1.slice(-32))) {
        throw new ServiceError('access-revoked', 'disabled', { reason: 'key-disabled', scope: 'key' });
      }
    };
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(await codeOf(process.decrypt(message, { context }))).toBe('policy-refused');
    expect(await codeOf(deployment.start().decrypt(message))).toBe('ok'); // by the tags of its own version
  });

  test('that the vault does not let us read is a refusal, and an outage is not', async () => {
    const { deployment, message, process, clock } = await warm({ 'vaultspan-leases': 'refused' });
    await process.decrypt(message);
    const failing = (code: 'access-revoked' | 'vault-unavailable') => {
      deployment.vault.answer = ({ operation }) => {
        if (operation === 'readKey')
          throw new ServiceError(code, code, code === 'access-revoked' ? { scope: 'key' } : {});
      };
    };
    failing('vault-unavailable');
    clock.advance(BOUND / 2);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    clock.advance(BOUND / 2);
    expect(await codeOf(process.decrypt(message))).toBe('vault-unavailable');
    failing('access-revoked');
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
  });

  test('refuses a key for each message too', async () => {
    const deployment = new Deployment({ dataKeys: { mode: 'perMessage' } });
    deployment.vault.change(CMK_V1, { tags: { 'vaultspan-operations': 'decrypt' } });
    expect(await codeOf(deployment.start().encrypt())).toBe('policy-refused');
  });
});
