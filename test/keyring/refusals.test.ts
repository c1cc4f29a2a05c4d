import { describe, expect, test } from '@jest/globals';
import { allAtOnce, BOUND, CMK_V1, codeOf, Deployment, encryptedKeyOf, settle } from '../support/deployment.ts';
import { forge } from '../support/forge.ts';
import { outage, refusal, signInRefusal } from '../support/jwk-key-wrapper.ts';
import { permitAll, refuseAll, warmProcess } from '../support/warm-process.ts';

const roleMissing = () => refusal('role-missing');

describe('a refusal of the key', () => {
  test('that a renewal receives evicts at once: decrypt and encrypt are refused with no further call', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND / 2);
    await process.decrypt(message); // its renewal receives the refusal
    await settle();
    vault.takeOperations();
    await expect(process.decrypt(message)).rejects.toMatchObject({ code: 'access-revoked', reason: 'role-missing' });
    await expect(process.encrypt()).rejects.toMatchObject({ code: 'access-revoked', reason: 'role-missing' });
    expect(vault.takeOperations()).toEqual([]);
  });

  test('is received within the bound by the next decrypt or encrypt', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
  });

  test('applies to every data key of that key version and to no other key', async () => {
    const { deployment, vault, clock, process, message, hsmMessage } = await warmProcess();
    const others = await allAtOnce(4, () => deployment.start().encrypt());
    for (const other of others) await process.decrypt(other);
    vault.answer = ({ kid }) => {
      if (kid === CMK_V1) throw roleMissing();
    };
    clock.advance(BOUND / 2);
    await process.decrypt(hsmMessage);
    await process.decrypt(message);
    await settle();
    vault.takeOperations();
    for (const other of others) expect(await codeOf(process.decrypt(other))).toBe('access-revoked');
    expect(await codeOf(process.decrypt(hsmMessage))).toBe('ok');
    expect(await codeOf(process.encrypt('a', { key: 'hsm' }))).toBe('ok');
    expect(vault.takeOperations()).toEqual([]);
  });

  test('applies to messages that this process has never opened', async () => {
    const { deployment, vault, clock, process, message } = await warmProcess();
    const cold = await deployment.start().encrypt();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    vault.takeOperations();
    expect(await codeOf(process.decrypt(cold))).toBe('access-revoked');
    expect(vault.takeOperations()).toEqual([]);
  });

  test('is checked with one call each 10 seconds, however many requests there are', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    vault.takeOperations();
    const callsBySecond: number[] = [];
    for (let second = 1; second <= 30; second += 1) {
      clock.advance(1);
      const codes = await allAtOnce(5, () => codeOf(process.decrypt(message)));
      expect(codes).toEqual(Array.from({ length: 5 }, () => 'access-revoked'));
      callsBySecond.push(vault.takeOperations().length);
    }
    expect(callsBySecond.flatMap((calls, index) => (calls === 0 ? [] : [[index + 1, calls]]))).toEqual([
      [10, 1],
      [20, 1],
      [30, 1],
    ]);
  });

  test('requests during that check are refused at once', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    permitAll(vault);
    clock.advance(10);
    const unwrap = vault.hold('unwrapKey');
    const probe = codeOf(process.decrypt(message));
    await settle();
    expect(unwrap.waiting).toBe(1);
    const cold = process.encrypt();
    expect(await codeOf(cold)).toBe('access-revoked');
    unwrap.open();
    expect(await probe).toBe('ok');
  });

  test('ends by itself once access is back: decrypt', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    permitAll(vault);
    clock.advance(9);
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
    clock.advance(1);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    vault.takeOperations();
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(vault.takeOperations()).toEqual([]);
  });

  test('evicts every data key of that version: once access is back each is unwrapped again', async () => {
    const { deployment, vault, clock, process, message } = await warmProcess();
    const other = await deployment.start().encrypt();
    await process.decrypt(other);
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    permitAll(vault);
    clock.advance(10);
    vault.takeOperations();
    await process.decrypt(message);
    await process.decrypt(other);
    expect(vault.takeOperations()).toEqual(['unwrapKey', 'unwrapKey']);
  });

  test('evicts the current data key: once access is back encrypt reads the key again and mints', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    permitAll(vault);
    clock.advance(10);
    vault.takeOperations();
    expect(encryptedKeyOf(await process.encrypt())).not.toBe(encryptedKeyOf(message));
    expect(vault.takeOperations()).toEqual(['readKey', 'wrapKey', 'unwrapKey']);
  });

  test('ends by itself once access is back: encrypt', async () => {
    const { vault, clock, process } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    permitAll(vault);
    clock.advance(10);
    expect(await codeOf(process.encrypt())).toBe('ok');
    vault.takeOperations();
    expect(await codeOf(process.encrypt())).toBe('ok');
    expect(vault.takeOperations()).toEqual([]);
  });

  test('of wrapping alone refuses encrypt, checked each 10 seconds, and does not affect decrypt', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const message = await deployment.start().encrypt();
    const process = deployment.start();
    await process.decrypt(message);
    vault.answer = ({ operation }) => {
      if (operation === 'wrapKey') throw refusal('key-operation-forbidden');
    };
    vault.takeOperations();
    for (let second = 0; second < 20; second += 1) {
      expect(await codeOf(process.encrypt())).toBe('access-revoked');
      expect(await codeOf(process.decrypt(message))).toBe('ok');
      clock.advance(1);
    }
    expect(vault.takeOperations().filter((operation) => operation === 'wrapKey').length).toBe(2);
  });

  test('stays a refusal through an outage', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, roleMissing);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    refuseAll(vault, outage);
    clock.advance(10);
    expect(await codeOf(process.decrypt(message))).toBe('vault-unavailable'); // the one that checks
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
  });

  test('for a version that was never known is checked once a minute', async () => {
    const { vault, clock, process } = await warmProcess();
    const unknown = forge({ kid: CMK_V1.replace(/.{32}$/, 'f'.repeat(32)) });
    await expect(process.decrypt(unknown)).rejects.toMatchObject({ code: 'access-revoked', reason: 'key-absent' });
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
    clock.advance(59);
    expect(await codeOf(process.decrypt(unknown))).toBe('access-revoked');
    expect(vault.takeOperations()).toEqual([]);
    clock.advance(1);
    expect(await codeOf(process.decrypt(unknown))).toBe('access-revoked');
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('for a known version that was deleted is checked each 10 seconds', async () => {
    const { vault, clock, process, message } = await warmProcess();
    refuseAll(vault, () => refusal('key-absent'));
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
    permitAll(vault);
    clock.advance(10);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
  });
});

describe('a refusal of the sign-in', () => {
  test('refuses all keys of the tenant at once, with no further call', async () => {
    const { vault, clock, process, message, hsmMessage } = await warmProcess();
    refuseAll(vault, signInRefusal);
    clock.advance(BOUND / 2);
    await process.decrypt(message);
    await settle();
    vault.takeOperations();
    const requests = [
      process.decrypt(message),
      process.decrypt(hsmMessage),
      process.encrypt(),
      process.encrypt('a', { key: 'hsm' }),
    ];
    for (const request of requests) {
      await expect(request).rejects.toMatchObject({ code: 'access-revoked', reason: 'app-disabled' });
    }
    expect(vault.takeOperations()).toEqual([]);
  });

  test('that encrypt receives when it reads the key refuses decrypt too', async () => {
    const { vault, clock, process, message } = await warmProcess({ revocationBoundSeconds: 100_000 });
    vault.answer = ({ operation }) => {
      if (operation === 'readKey') throw signInRefusal();
    };
    clock.advance(900);
    await process.encrypt();
    await settle();
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
  });

  test('does not affect other tenants', async () => {
    const { deployment, vault, clock, process, message } = await warmProcess();
    deployment.register({ ...(await deployment.get('contoso')), id: 'fabrikam' });
    const theirs = await process.encrypt('a', { tenantId: 'fabrikam' });
    vault.answer = ({ tenantId }) => {
      if (tenantId === 'contoso') throw signInRefusal();
    };
    clock.advance(BOUND);
    expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
    expect(await codeOf(process.decrypt(theirs, { tenantId: 'fabrikam' }))).toBe('ok');
  });

  test('is checked with one call each 10 seconds for the whole tenant', async () => {
    const { vault, clock, process, message, hsmMessage } = await warmProcess();
    refuseAll(vault, signInRefusal);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    vault.takeOperations();
    for (let second = 1; second <= 30; second += 1) {
      clock.advance(1);
      expect(await codeOf(process.decrypt(hsmMessage))).toBe('access-revoked');
      expect(await codeOf(process.decrypt(message))).toBe('access-revoked');
      expect(await codeOf(process.encrypt())).toBe('access-revoked');
    }
    expect(vault.takeOperations().length).toBe(3);
  });

  test('ends by itself for all keys once one call succeeds', async () => {
    const { vault, clock, process, message, hsmMessage } = await warmProcess();
    refuseAll(vault, signInRefusal);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    permitAll(vault);
    clock.advance(10);
    expect(await codeOf(process.decrypt(hsmMessage))).toBe('ok');
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(await codeOf(process.encrypt())).toBe('ok');
  });

  test('also ends if the vault refuses the call that checks it, which only a signed-in call reaches', async () => {
    const { vault, clock, process, message, hsmMessage } = await warmProcess();
    refuseAll(vault, signInRefusal);
    clock.advance(BOUND);
    await codeOf(process.decrypt(message));
    vault.answer = ({ kid }) => {
      if (kid === CMK_V1) throw refusal('key-disabled');
    };
    clock.advance(10);
    await expect(process.decrypt(message)).rejects.toMatchObject({ code: 'access-revoked', reason: 'key-disabled' });
    expect(await codeOf(process.decrypt(hsmMessage))).toBe('ok');
  });
});
