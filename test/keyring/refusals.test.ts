import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { parseKid } from '../../src/format/kek-ref.ts';
import { allAtOnce, BOUND, CMK_V1, CMK_V2, codeOf, Deployment, encryptedKeyOf, settle } from '../support/deployment.ts';
import { forge } from '../support/forge.ts';
import { outage, refusal, signInRefusal } from '../support/jwk-key-wrapper.ts';

type Vault = Deployment['vault'];

const refuseAll = (vault: Vault, error: () => Error): void => {
  vault.answer = () => {
    throw error();
  };
};
const permitAll = (vault: Vault): void => {
  vault.answer = () => {};
};
const roleMissing = () => refusal('role-missing');

/** Returns a process with messages of its own under both keys, all with a recent proof. */
async function warmProcess(change?: ConstructorParameters<typeof Deployment>[0]) {
  const deployment = new Deployment(change);
  const { vault, clock } = deployment;
  const process = deployment.start();
  const message = await process.encrypt();
  const hsmMessage = await process.encrypt('a', { key: 'hsm' });
  vault.takeOperations();
  return { deployment, vault, clock, process, message, hsmMessage };
}

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

  test('is still cached after 10 minutes less a second', async () => {
    const { vault, clock, process } = await warmProcess();
    const forged = forge();
    await codeOf(process.decrypt(forged));
    clock.advance(599);
    expect(await codeOf(process.decrypt(forged))).toBe('undecryptable');
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
  });

  test('is dropped after 10 minutes', async () => {
    const { vault, clock, process } = await warmProcess();
    const forged = forge();
    await codeOf(process.decrypt(forged));
    clock.advance(601);
    expect(await codeOf(process.decrypt(forged))).toBe('undecryptable');
    expect(vault.takeOperations()).toEqual(['unwrapKey', 'unwrapKey']);
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
    expect(vault.takeOperations()).toEqual(['unwrapKey']);
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
