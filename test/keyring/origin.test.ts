import { createHash, createHmac, createPublicKey, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { CompactEncrypt, type CompactJWEHeaderParameters } from 'jose';
import { allAtOnce, CMK_V1, codeOf, Deployment, encryptedKeyOf, headerOf } from '../support/deployment.ts';
import { forge } from '../support/forge.ts';
import { messages } from '../support/vectors.ts';

const NEW_KEY = createSecretKey(Buffer.alloc(32, 1));
const FOREIGN_KEY = createSecretKey(Buffer.alloc(32, 2));

/**
 * Returns a message that a customer made with public tools and the public half of its key, so
 * without the origin key.
 */
function customerMade(plaintext: string, context?: { readonly canonical: string }): Promise<string> {
  const cek = randomBytes(32);
  const okm = Buffer.from(hkdfSync('sha256', cek, '', 'vaultspan 1', 64));
  const header = {
    alg: 'RSA-OAEP-256',
    enc: 'A256GCM',
    kid: CMK_V1,
    typ: 'vaultspan+jwe',
    tid: 'contoso',
    kc: okm.toString('base64url', 0, 32),
    mac: createHash('sha256').update(cek).digest().toString('base64url', 0, 16),
    ...(context && { ctx: createHmac('sha256', okm.subarray(32)).update(context.canonical).digest('base64url') }),
  } as CompactJWEHeaderParameters;
  const { n = '', e = '' } = messages.keys[CMK_V1] ?? {};
  const publicKey = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
  return new CompactEncrypt(Buffer.from(plaintext))
    .setProtectedHeader(header)
    .setContentEncryptionKey(cek)
    .encrypt(publicKey);
}

describe('a message that a customer made', () => {
  test('opens if origin is optional, with its context', async () => {
    const process = new Deployment({ origin: 'optional' }).start();
    const message = await customerMade('by hand', { canonical: '{"id":"4711"}' });
    expect((await process.decrypt(message, { context: { id: '4711' } })).toString()).toBe('by hand');
    expect(await codeOf(process.decrypt(message, { context: { id: '4712' } }))).toBe('context-mismatch');
    expect((await process.decrypt(await customerMade('no context'))).toString()).toBe('no context');
  });

  test('is refused if origin is required, with no vault call', async () => {
    const deployment = new Deployment();
    const { vault } = deployment;
    expect(await codeOf(deployment.start().decrypt(await customerMade('by hand')))).toBe('undecryptable');
    expect(vault.takeOperations()).toEqual([]);
  });

  test('is refused if origin is required even after another process with optional origin opened it', async () => {
    const deployment = new Deployment({ origin: 'optional' });
    const process = deployment.start();
    const message = await customerMade('by hand');
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    deployment.register({ ...(await deployment.get('contoso')), origin: 'required', revision: '2' });
    expect(await codeOf(process.decrypt(message))).toBe('undecryptable');
  });
});

describe('rotation of the origin key', () => {
  test('the newest is used for new messages, and messages of the older one still open', async () => {
    const deployment = new Deployment();
    const old = await deployment.start().encrypt();
    deployment.originKeys.keys = [NEW_KEY, ...deployment.originKeys.keys];
    const process = deployment.start();
    const fresh = await process.encrypt();
    const { alg, kid, tid, mac } = headerOf(fresh);
    const input = `vaultspan 1\n${alg}\n${kid}\n${tid}\n${encryptedKeyOf(fresh)}`;
    expect(mac).toBe(createHmac('sha256', NEW_KEY).update(input).digest().toString('base64url', 0, 16));
    expect(await codeOf(process.decrypt(old))).toBe('ok');
    expect(await codeOf(process.decrypt(fresh))).toBe('ok');
    expect(deployment.originKeys.rereads).toBe(0);
  });

  test('a data key minted before it still seals messages that open', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    await process.encrypt();
    deployment.originKeys.keys = [NEW_KEY, ...deployment.originKeys.keys];
    expect(await codeOf(deployment.start().decrypt(await process.encrypt()))).toBe('ok');
  });

  test('a mac of a later version causes one reread of the home vault, and opens', async () => {
    const deployment = new Deployment();
    const { originKeys } = deployment;
    const before = originKeys.keys;
    originKeys.keys = [NEW_KEY];
    const message = await deployment.start().encrypt();
    originKeys.keys = before;
    originKeys.stored = [NEW_KEY, ...before];
    const process = deployment.start();
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(originKeys.rereads).toBe(1);
    expect(await codeOf(process.decrypt(message))).toBe('ok');
    expect(originKeys.rereads).toBe(1);
  });

  test('an unknown mac is refused after one reread each, with no call to the customer', async () => {
    const deployment = new Deployment();
    const { vault, originKeys } = deployment;
    const process = deployment.start();
    const foreign = forge({ originKey: FOREIGN_KEY });
    expect(await codeOf(process.decrypt(foreign))).toBe('undecryptable');
    expect(originKeys.rereads).toBe(1);
    expect(vault.takeOperations()).toEqual([]);
  });

  test('messages of a destroyed origin key no longer open if origin is required, and do if it is optional', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const message = await process.encrypt();
    deployment.originKeys.keys = [NEW_KEY];
    expect(await codeOf(process.decrypt(message))).toBe('undecryptable');
    deployment.register({ ...(await deployment.get('contoso')), origin: 'optional', revision: '2' });
    expect(await codeOf(process.decrypt(message))).toBe('ok');
  });

  test('known macs never cause a reread of the home vault', async () => {
    const deployment = new Deployment();
    const process = deployment.start();
    const message = await process.encrypt();
    await allAtOnce(20, () => process.decrypt(message));
    expect(deployment.originKeys.rereads).toBe(0);
  });
});

test('without any origin key encrypt fails rather than seal a message that would not open', async () => {
  const deployment = new Deployment();
  deployment.originKeys.keys = [];
  await expect(deployment.start().encrypt()).rejects.toThrow('no origin key');
});

test('a refused message has the same answer whether its mac, its data key, its commitment or its tag is wrong', async () => {
  const deployment = new Deployment();
  const { vault } = deployment;
  const process = deployment.start();
  const message = await process.encrypt();
  const segments = message.split('.');
  const wrongTag = segments.with(4, Buffer.alloc(16).toString('base64url')).join('.');
  const tenant = await deployment.get('contoso');
  const kek = { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'cmk', keyVersion: CMK_V1.slice(-32) };
  const { bytes } = await vault.wrapKey(tenant, kek, 'RSA-OAEP-256', randomBytes(32));
  const wrongCommitment = forge({ encryptedKey: bytes.toString('base64url') });
  const failures = await Promise.all(
    [forge({ originKey: FOREIGN_KEY }), forge(), wrongCommitment, wrongTag].map((text) =>
      process.decrypt(text).then(
        () => 'ok',
        ({ code, message: detail, reason, errors, fix }) => JSON.stringify({ code, detail, reason, errors, fix }),
      ),
    ),
  );
  expect(new Set(failures)).toEqual(
    new Set([JSON.stringify({ code: 'undecryptable', detail: 'The ciphertext cannot be decrypted' })]),
  );
});
