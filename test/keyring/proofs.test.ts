import { describe, expect, test } from '@jest/globals';
import { createDataKey } from '../../src/operations/create-data-key.ts';
import {
  allAtOnce,
  BOUND,
  CMK_V1,
  call,
  codeOf,
  Deployment,
  encryptedKeyOf,
  HSM_KEY,
  settle,
  tenantRecord,
} from '../support/deployment.ts';
import { outage, refusal } from '../support/jwk-key-wrapper.ts';

/** Returns messages under one key version, each with a data key of its own. */
const sealEach = (deployment: Deployment, count: number, key = 'cmk'): Promise<string[]> =>
  allAtOnce(count, () => deployment.start().encrypt('a', { key }));

test('a data key given to a client expires with the proof of access, not a bound after its issue', async () => {
  const deployment = new Deployment();
  const process = deployment.start();
  await process.encrypt();
  const proofEnds = new Date(deployment.clock.wallMs() + BOUND * 1_000).toISOString();
  deployment.clock.advance(100);
  expect((await createDataKey(process.deps(), call, { tenantId: 'contoso' })).expiresAt).toBe(proofEnds);
  deployment.clock.advance(BOUND);
  const now = deployment.clock.wallMs();
  const { expiresAt } = await createDataKey(process.deps(), call, { tenantId: 'contoso' });
  expect(Date.parse(expiresAt) - now).toBe(BOUND * 1_000);
});

test('with a bound of 0 a data key given to a client has expired already', async () => {
  const deployment = new Deployment({ revocationBoundSeconds: 0 });
  const issued = await createDataKey(deployment.start().deps(), call, { tenantId: 'contoso' });
  expect(Date.parse(issued.expiresAt)).toBe(deployment.clock.wallMs());
});

describe('opening', () => {
  test('50 concurrent cold decrypts of one message share one unwrap', async () => {
    const deployment = new Deployment();
    const [message = ''] = await sealEach(deployment, 1);
    const process = deployment.start();
    deployment.vault.takeOperations();
    await allAtOnce(50, () => process.decrypt(message));
    expect(deployment.vault.takeOperations()).toEqual(['readKey', 'unwrapKey']);
  });

  test('messages that share a data key share its unwrap', async () => {
    const deployment = new Deployment();
    const writer = deployment.start();
    const messages = await allAtOnce(10, () => writer.encrypt());
    const process = deployment.start();
    deployment.vault.takeOperations();
    await allAtOnce(10, (index) => process.decrypt(messages[index] ?? ''));
    expect(deployment.vault.takeOperations()).toEqual(['readKey', 'unwrapKey']);
  });

  test('a warm decrypt makes no call', async () => {
    const deployment = new Deployment();
    const [message = ''] = await sealEach(deployment, 1);
    const process = deployment.start();
    await process.decrypt(message);
    deployment.vault.takeOperations();
    for (let count = 0; count < 20; count += 1) await process.decrypt(message);
    expect(deployment.vault.takeOperations()).toEqual([]);
  });

  test('500 opened data keys of a tenant are cached, the least recently used is evicted first, and other tenants lose none', async () => {
    const deployment = new Deployment({ dataKeys: { mode: 'perMessage' } });
    deployment.register(tenantRecord({ id: 'fabrikam' }));
    const [writer, reader] = [deployment.start(), deployment.start()];
    const theirs = await writer.encrypt('a', { tenantId: 'fabrikam' });
    await reader.decrypt(theirs, { tenantId: 'fabrikam' });
    const messages: string[] = [];
    for (let count = 0; count < 501; count += 1) messages.push(await writer.encrypt('a', { key: 'hsm' }));
    for (const message of messages) await reader.decrypt(message);
    deployment.vault.takeOperations();
    await reader.decrypt(messages.at(-1) ?? '');
    await reader.decrypt(messages.at(1) ?? '');
    await reader.decrypt(theirs, { tenantId: 'fabrikam' });
    expect(deployment.vault.takeOperations()).toEqual([]);
    await reader.decrypt(messages.at(0) ?? '');
    expect(deployment.vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test("the vault call uses the registered name and the message's version, however the message spells the name", async () => {
    const deployment = new Deployment();
    const message = await deployment.start().encrypt();
    const vaultUrl = 'https://contoso-kv.vault.azure.net';
    deployment.register(tenantRecord({ revision: '2', keys: { cmk: { vaultUrl, name: 'CMK', use: 'data' } } }));
    deployment.vault.takeCalls();
    expect(await codeOf(deployment.start().decrypt(message))).toBe('ok');
    const unwraps = deployment.vault.takeCalls().filter(({ operation }) => operation === 'unwrapKey');
    expect(unwraps.map(({ kid }) => kid)).toEqual([CMK_V1.replace('/cmk/', '/CMK/')]);
  });

  test('a retired key still opens, and a key for wrap never does', async () => {
    const deployment = new Deployment();
    const message = await deployment.start().encrypt();
    const key = { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'cmk' };
    deployment.register(tenantRecord({ revision: '2', keys: {}, retiredKeys: [key] }));
    expect(await codeOf(deployment.start().decrypt(message))).toBe('ok');
    deployment.register(tenantRecord({ revision: '3', keys: { cmk: { ...key, use: 'wrap' } } }));
    expect(await codeOf(deployment.start().decrypt(message))).toBe('unknown-key');
  });

  test('a tenant never opens with a key that another tenant of the same vault unwrapped', async () => {
    const deployment = new Deployment();
    deployment.register(tenantRecord({ id: 'fabrikam' }));
    const process = deployment.start();
    const message = await process.encrypt();
    expect(await codeOf(process.decrypt(message, { tenantId: 'fabrikam' }))).toBe('wrong-tenant');
    deployment.vault.takeCalls();
    await process.encrypt('a', { tenantId: 'fabrikam' });
    const calls = deployment.vault.takeCalls();
    expect(calls.map(({ operation, tenantId }) => [operation, tenantId])).toEqual([
      ['readKey', 'fabrikam'],
      ['wrapKey', 'fabrikam'],
      ['unwrapKey', 'fabrikam'],
    ]);
  });

  test('the audit record names the vault call that is the proof', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const message = await process.encrypt();
    await process.decrypt(message);
    deployment.clock.advance(BOUND);
    await process.decrypt(message);
    const ids = process.audited.map(({ operation, vaultRequestId }) => [operation, vaultRequestId]);
    expect(ids).toEqual([
      ['encrypt', 'unwrapKey 3'],
      ['decrypt', 'unwrapKey 3'],
      ['decrypt', 'unwrapKey 4'],
    ]);
  });
});

describe('renewing the proof of access', () => {
  test('of 100 tenants proven at once is spread over 50 to 80 % of the bound', async () => {
    const deployment = new Deployment();
    let draws = 0;
    deployment.jitter = () => (draws++ * 0.618) % 1;
    const ids = Array.from({ length: 100 }, (_, at) => `t${at}`);
    for (const id of ids) deployment.register(tenantRecord({ id }));
    const process = deployment.start();
    const sealed: [string, string][] = [];
    for (const tenantId of ids) sealed.push([tenantId, await process.encrypt('a', { tenantId, key: 'hsm' })]);
    deployment.vault.takeOperations();
    const renewals: number[] = [];
    for (let seconds = 3; seconds < 0.8 * BOUND + 3; seconds += 3) {
      deployment.clock.advance(3);
      for (const [tenantId, message] of sealed) await process.decrypt(message, { tenantId });
      await settle();
      renewals.push(deployment.vault.takeOperations().length);
    }
    const half = BOUND / 2 / 3 - 1;
    expect(renewals.slice(0, half)).toEqual(Array(half).fill(0));
    expect(renewals.reduce((sum, count) => sum + count, 0)).toBe(100);
    expect(Math.max(...renewals)).toBeLessThanOrEqual(2 * Math.ceil(100 / (renewals.length - half)));
  });

  test('begins at half of the bound, before a request waits for it', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.takeOperations();
    clock.advance(BOUND / 2 - 1);
    await process.decrypt(await process.encrypt());
    await settle();
    expect(vault.takeOperations()).toEqual([]);
    clock.advance(1);
    const unwrap = vault.hold('unwrapKey');
    await process.decrypt(message);
    await process.encrypt();
    await settle();
    expect(unwrap.waiting).toBe(1);
    unwrap.open();
    await settle();
    clock.advance(BOUND / 2 - 1);
    await process.decrypt(await process.encrypt());
    await settle();
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('needs one unwrap for all data keys of a key version', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const messages = await sealEach(deployment, 8);
    const process = deployment.start();
    const decryptAll = () => allAtOnce(8, (index) => process.decrypt(messages[index] ?? ''));
    await decryptAll();
    for (const seconds of [BOUND / 2, BOUND / 2, BOUND, 5 * BOUND]) {
      await settle();
      vault.takeOperations();
      clock.advance(seconds);
      await decryptAll();
      await decryptAll();
      await settle();
      expect(vault.takeOperations().filter((operation) => operation !== 'readKey')).toEqual(['unwrapKey']);
    }
  });

  test('needs one unwrap for each of two keys', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const messages = [...(await sealEach(deployment, 3)), ...(await sealEach(deployment, 3, 'hsm'))];
    const process = deployment.start();
    const decryptAll = () => allAtOnce(6, (index) => process.decrypt(messages[index] ?? ''));
    await decryptAll();
    await settle();
    vault.takeCalls();
    clock.advance(BOUND / 2);
    await decryptAll();
    await settle();
    expect(new Set(vault.takeCalls().map(({ kid }) => kid))).toEqual(new Set([CMK_V1, HSM_KEY]));
  });

  test('a cold unwrap of one message renews the proof for all of the same key version', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const [known = '', cold = ''] = await sealEach(deployment, 2);
    const process = deployment.start();
    await process.decrypt(known);
    clock.advance(BOUND);
    await process.decrypt(cold);
    vault.takeOperations();
    await process.decrypt(known);
    expect(vault.takeOperations()).toEqual([]);
  });

  test('does not change the data key and its age', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const first = await process.encrypt();
    deployment.clock.advance(BOUND);
    expect(encryptedKeyOf(await process.encrypt())).toBe(encryptedKeyOf(first));
  });

  test('is timed from the start of the call that proves it', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const [message = ''] = await sealEach(deployment, 1);
    const process = deployment.start();
    const unwrap = vault.hold('unwrapKey');
    const first = process.decrypt(message);
    await settle();
    clock.advance(100);
    unwrap.open();
    await first;
    vault.answer = () => {
      throw outage();
    };
    clock.advance(BOUND - 101);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    clock.advance(1);
    expect(await codeOf(process.decrypt(message))).toBe('vault-unavailable');
  });

  test("does not count a wrap as a proof, nor replace one's own with a recent proof", async () => {
    const deployment = new Deployment({ dataKeys: { maxMessages: 1 } });
    const { vault, clock } = deployment;
    const process = deployment.start();
    await process.encrypt();
    vault.answer = ({ operation }) => {
      if (operation === 'unwrapKey') throw outage();
    };
    vault.takeOperations();
    expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
    expect(vault.takeOperations()).toContain('wrapKey');
    clock.advance(BOUND);
    expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
  });

  test("uses the tenant's own bound", async () => {
    const deployment = new Deployment({ revocationBoundSeconds: 20 });
    const { vault, clock } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.takeOperations();
    clock.advance(9);
    await process.decrypt(message);
    expect(vault.takeOperations()).toEqual([]);
    clock.advance(1);
    await process.decrypt(message);
    await settle();
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('a new revision of the record drops proofs and data keys', async () => {
    const deployment = new Deployment();
    const { vault } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.takeOperations();
    deployment.register(tenantRecord({ revision: '2' }));
    await process.decrypt(message);
    expect(vault.takeOperations()).toEqual(['readKey', 'unwrapKey']);
    expect(encryptedKeyOf(await process.encrypt())).not.toBe(encryptedKeyOf(message));
    deployment.register(tenantRecord({ revision: '2' }));
    vault.takeOperations();
    await process.decrypt(message);
    expect(vault.takeOperations()).toEqual([]);
  });

  test("applies a new revision's bound at once", async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const message = await process.encrypt();
    deployment.register(tenantRecord({ revision: '2', revocationBoundSeconds: 0 }));
    deployment.vault.takeOperations();
    await process.decrypt(message);
    await process.decrypt(message);
    expect(deployment.vault.takeOperations()).toEqual(['readKey', 'unwrapKey', 'unwrapKey']);
  });
});

describe('bound 0', () => {
  test('every encrypt and every decrypt calls the vault', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: 0 });
    const { vault } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    expect(vault.takeOperations()).toEqual(['readKey', 'wrapKey', 'unwrapKey']);
    for (let count = 0; count < 3; count += 1) {
      await process.encrypt();
      expect(vault.takeOperations()).toEqual(['unwrapKey']);
      await process.decrypt(message);
      expect(vault.takeOperations()).toEqual(['unwrapKey']);
    }
  });

  test('requests that arrive during an unwrap share it, and the next one calls again', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: 0 });
    const { vault } = deployment;
    const process = deployment.start();
    const message = await process.encrypt();
    vault.takeOperations();
    const unwrap = vault.hold('unwrapKey');
    const requests = allAtOnce(10, async (index) => {
      await (index % 2 === 0 ? process.decrypt(message) : process.encrypt());
    });
    await settle();
    expect(unwrap.waiting).toBe(1);
    unwrap.open();
    await requests;
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
    await process.decrypt(message);
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('an outage of the vault is an outage at once', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: 0 });
    const process = deployment.start();
    const message = await process.encrypt();
    deployment.vault.answer = () => {
      throw outage();
    };
    expect(await codeOf(process.decrypt(message))).toBe('vault-unavailable');
    expect(await codeOf(process.encrypt())).toBe('vault-unavailable');
  });

  test('a refusal is a refusal at once', async () => {
    const deployment = new Deployment({ revocationBoundSeconds: 0 });
    const process = deployment.start();
    const message = await process.encrypt();
    deployment.vault.answer = () => {
      throw refusal('role-missing');
    };
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
  });
});
