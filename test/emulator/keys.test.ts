import { constants, createHash, createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { CryptographyClient, type JsonWebKey, type KeyClient } from '@azure/keyvault-keys';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Emulator } from '../../src/emulator/emulator.ts';
import {
  appCredential,
  customerNamed,
  failureOf,
  keyClientOf,
  startTrusted,
  vaultOptions,
} from '../support/emulator-clients.ts';

const DAY_SECONDS = 86_400;
const dek = randomBytes(32);

let emulator: Emulator;
let client: KeyClient;
let key = '';
let count = 0;

beforeAll(async () => {
  emulator = await startTrusted({
    seed: (directory) => {
      directory.addCustomer({ name: 'contoso', keys: ['data'], role: 'Key Vault Crypto Officer' });
      directory.addCustomer({ name: 'luckyhsm', kind: 'hsm', keys: ['aes'], role: 'Managed HSM Crypto Officer' });
    },
  });
  client = await keyClientOf(emulator, 'contoso');
});

// Each test has a key of its own without waiting for prime numbers: they share one imported RSA
// key.
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = privateKey.export({ format: 'jwk' });
const bytes = (text = ''): Uint8Array => Buffer.from(text, 'base64url');
const sdkJwk: JsonWebKey = {
  kty: 'RSA',
  keyOps: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  n: bytes(jwk.n),
  e: bytes(jwk.e),
  d: bytes(jwk.d),
  p: bytes(jwk.p),
  q: bytes(jwk.q),
  dp: bytes(jwk.dp),
  dq: bytes(jwk.dq),
  qi: bytes(jwk.qi),
};

beforeEach(async () => {
  count += 1;
  key = `key-${count}`;
  await client.importKey(key, sdkJwk);
});

afterAll(() => emulator.close());

/** Returns a client of a key id: it reads the key once, if it may. */
async function remote(name = key, version?: string): Promise<CryptographyClient> {
  const { vaultUrl } = customerNamed(emulator, 'contoso');
  const id = `${vaultUrl}/keys/${name}/${version ?? ''}`.replace(/\/$/, '');
  return new CryptographyClient(id, await appCredential(emulator, 'contoso'), vaultOptions);
}

describe('wrap and unwrap', () => {
  test.each(['RSA-OAEP-256', 'RSA-OAEP', 'RSA1_5'] as const)('%s wraps and unwraps', async (alg) => {
    const cryptography = await remote();
    const { result, keyID } = await cryptography.wrapKey(alg, dek);
    expect(keyID).toMatch(new RegExp(`/keys/${key}/[0-9a-f]{32}$`));
    expect(Buffer.from((await cryptography.unwrapKey(alg, result)).result)).toEqual(dek);
  });

  test('encrypt and decrypt return the original', async () => {
    const cryptography = await remote();
    const { result } = await cryptography.encrypt({ algorithm: 'RSA-OAEP-256', plaintext: dek });
    const opened = await cryptography.decrypt({ algorithm: 'RSA-OAEP-256', ciphertext: result });
    expect(Buffer.from(opened.result)).toEqual(dek);
  });

  test.each([
    ['a changed ciphertext', (wrapped: Uint8Array) => wrapped.with(5, (wrapped[5] ?? 0) ^ 1)],
    ['a short ciphertext', (wrapped: Uint8Array) => wrapped.subarray(1)],
  ])('%s is BadParameter', async (_what, change) => {
    const cryptography = await remote();
    const { result } = await cryptography.wrapKey('RSA-OAEP-256', dek);
    const unwrapped = cryptography.unwrapKey('RSA-OAEP-256', change(result));
    expect(await failureOf(unwrapped)).toMatchObject({ statusCode: 400, code: 'BadParameter' });
  });

  test('unwrapping with another algorithm is BadParameter', async () => {
    const cryptography = await remote();
    const { result } = await cryptography.wrapKey('RSA-OAEP-256', dek);
    expect(await failureOf(cryptography.unwrapKey('RSA-OAEP', result))).toMatchObject({ code: 'BadParameter' });
    expect(await failureOf(cryptography.wrapKey('A256KW', dek))).toMatchObject({ code: 'BadParameter' });
  });

  test("the SDK's own client, which reads the key first, works", async () => {
    const cryptography = client.getCryptographyClient(key);
    const { result } = await cryptography.wrapKey('RSA-OAEP-256', dek);
    expect(Buffer.from((await cryptography.unwrapKey('RSA-OAEP-256', result)).result)).toEqual(dek);
  });
});

describe('signatures', () => {
  test.each([
    ['RS256', 'sha256', constants.RSA_PKCS1_PADDING],
    ['PS256', 'sha256', constants.RSA_PKCS1_PSS_PADDING],
    ['RS512', 'sha512', constants.RSA_PKCS1_PADDING],
    ['PS384', 'sha384', constants.RSA_PKCS1_PSS_PADDING],
  ] as const)('Node and the vault verify %s', async (alg, hash, padding) => {
    const message = randomBytes(100);
    const digest = createHash(hash).update(message).digest();
    const cryptography = await remote();
    const { result } = await cryptography.sign(alg, digest);
    expect(verify(hash, message, { key: createPublicKey(privateKey), padding }, result)).toBe(true);
    expect(await cryptography.verify(alg, digest, result)).toMatchObject({ result: true });
    expect(await cryptography.verify(alg, digest, result.with(9, (result[9] ?? 0) ^ 1))).toMatchObject({
      result: false,
    });
    expect(await cryptography.verify(alg, randomBytes(digest.length), result)).toMatchObject({ result: false });
  });

  test('a digest of another length is BadParameter', async () => {
    expect(await failureOf((await remote()).sign('RS256', randomBytes(20)))).toMatchObject({ code: 'BadParameter' });
  });
});

describe('versions', () => {
  test('after a rotation the newest version wraps, and the old version still unwraps its own values', async () => {
    const before = await client.getKey(key);
    const old = await (await remote()).wrapKey('RSA-OAEP-256', dek);
    const rotated = await client.rotateKey(key);
    expect(rotated.properties.version).not.toBe(before.properties.version);
    expect((await client.getKey(key)).id).toBe(rotated.id);
    expect((await client.getKey(key, { version: before.properties.version ?? '' })).id).toBe(before.id);

    const pinned = await remote(key, before.properties.version);
    expect(Buffer.from((await pinned.unwrapKey('RSA-OAEP-256', old.result)).result)).toEqual(dek);
    const newest = await remote(key, rotated.properties.version);
    expect(await failureOf(newest.unwrapKey('RSA-OAEP-256', old.result))).toMatchObject({ code: 'BadParameter' });
  });

  test('disabling one version leaves the other', async () => {
    const first = await client.getKey(key);
    await emulator.control.rotateKey({ vault: 'contoso', key });
    await emulator.control.disableKey({ vault: 'contoso', key, version: first.properties.version ?? '' });
    const pinned = await remote(key, first.properties.version);
    expect(await failureOf(pinned.wrapKey('RSA-OAEP-256', dek))).toMatchObject({ inner: 'KeyDisabled' });
    expect(await (await remote()).wrapKey('RSA-OAEP-256', dek)).toHaveProperty('result');
  });

  test('lists have several pages, and are not ordered by age', async () => {
    for (let more = 0; more < 7; more += 1) await client.importKey(key, sdkJwk);
    const listed = [];
    for await (const version of client.listPropertiesOfKeyVersions(key)) listed.push(version.version);
    expect(new Set(listed).size).toBe(8);
    expect(listed).toEqual(listed.toSorted());
    const names = [];
    for await (const properties of client.listPropertiesOfKeys()) names.push(properties.name);
    expect(names).toContain(key);
  });

  test.each([
    ['a name', 'no-such-key', undefined],
    ['a version', undefined, '0'.repeat(32)],
  ])('%s that does not exist is KeyNotFound', async (_what, name, version) => {
    const asked = client.getKey(name ?? key, version === undefined ? {} : { version });
    expect(await failureOf(asked)).toMatchObject({ statusCode: 404, code: 'KeyNotFound' });
  });
});

describe('attributes', () => {
  test('a disabled key does nothing; its read is refused or shows it, depending on the vault', async () => {
    const cryptography = await remote();
    const { result } = await cryptography.wrapKey('RSA-OAEP-256', dek);
    await emulator.control.disableKey({ vault: 'contoso', key });
    expect(await failureOf(cryptography.unwrapKey('RSA-OAEP-256', result))).toMatchObject({
      statusCode: 403,
      inner: 'KeyDisabled',
    });
    expect((await client.getKey(key)).properties.enabled).toBe(false);
    await emulator.control.setVaultOptions({ vault: 'contoso', disabledKeysReadable: false });
    expect(await failureOf(client.getKey(key))).toMatchObject({ inner: 'KeyDisabled' });
    await emulator.control.setVaultOptions({ vault: 'contoso', disabledKeysReadable: true });
    await emulator.control.enableKey({ vault: 'contoso', key });
    expect(await cryptography.unwrapKey('RSA-OAEP-256', result)).toHaveProperty('result');
  });

  test.each([
    ['an expired', { exp: -DAY_SECONDS }, 'KeyExpired'],
    ['a not yet valid', { nbf: DAY_SECONDS }, 'KeyNotYetValid'],
  ])('%s key no longer wraps but still unwraps', async (_what, shift, inner) => {
    const cryptography = await remote();
    const { result } = await cryptography.wrapKey('RSA-OAEP-256', dek);
    const now = Math.floor(Date.now() / 1000);
    const times = Object.fromEntries(Object.entries(shift).map(([name, seconds]) => [name, now + seconds]));
    await emulator.control.setKeyAttributes({ vault: 'contoso', key, ...times });
    expect(await failureOf(cryptography.wrapKey('RSA-OAEP-256', dek))).toMatchObject({ statusCode: 403, inner });
    expect(Buffer.from((await cryptography.unwrapKey('RSA-OAEP-256', result)).result)).toEqual(dek);
    await emulator.control.setKeyAttributes({ vault: 'contoso', key, exp: null, nbf: null });
    expect(await cryptography.wrapKey('RSA-OAEP-256', dek)).toHaveProperty('result');
  });

  test('an operation that the key does not permit is KeyOperationForbidden', async () => {
    const cryptography = await remote();
    // The SDK reads the key at its first call and would itself refuse.
    await cryptography.wrapKey('RSA-OAEP-256', dek);
    await emulator.control.setKeyAttributes({ vault: 'contoso', key, keyOps: ['unwrapKey'] });
    expect(await failureOf(cryptography.wrapKey('RSA-OAEP-256', dek))).toMatchObject({
      statusCode: 403,
      inner: 'KeyOperationForbidden',
    });
  });

  test('can be changed over the wire', async () => {
    const expiresOn = new Date('2031-05-06T07:08:09Z');
    const { properties } = await client.getKey(key);
    await client.updateKeyProperties(key, properties.version ?? '', {
      expiresOn,
      tags: { 'vaultspan-tenant': 'acme' },
    });
    expect((await client.getKey(key)).properties).toMatchObject({ expiresOn, tags: { 'vaultspan-tenant': 'acme' } });
  });

  test('the recovery level shows purge protection', async () => {
    expect((await client.getKey(key)).properties.recoveryLevel).toBe('Recoverable');
    await emulator.control.setVaultOptions({ vault: 'contoso', purgeProtection: false });
    expect((await client.getKey(key)).properties.recoveryLevel).toBe('Recoverable+Purgeable');
    await emulator.control.setVaultOptions({ vault: 'contoso', purgeProtection: true });
  });
});

describe('creation and deletion', () => {
  test('a key of 3072 bits is created, one of 1024 is not', async () => {
    const created = await client.createRsaKey('large', { keySize: 3072 });
    expect(created.key?.n).toHaveLength(384);
    expect(created.key).not.toHaveProperty('d', expect.anything());
    expect(await failureOf(client.createRsaKey('small', { keySize: 1024 }))).toMatchObject({ code: 'BadParameter' });
  });

  test('a public key alone cannot be imported', async () => {
    const half: JsonWebKey = { kty: 'RSA', n: bytes(jwk.n), e: bytes(jwk.e) };
    expect(await failureOf(client.importKey('half', half))).toMatchObject({ code: 'BadParameter' });
  });

  test('a deleted key is not found, blocks its name, and can be recovered', async () => {
    const cryptography = await remote();
    const { result } = await cryptography.wrapKey('RSA-OAEP-256', dek);
    const poller = await client.beginDeleteKey(key, { intervalInMs: 1 });
    await poller.pollUntilDone();
    expect(await failureOf(cryptography.unwrapKey('RSA-OAEP-256', result))).toMatchObject({ code: 'KeyNotFound' });
    expect(await failureOf(client.createRsaKey(key))).toMatchObject({ statusCode: 409, code: 'Conflict' });
    expect(await client.getDeletedKey(key)).toMatchObject({ properties: { recoveryId: expect.stringContaining(key) } });
    const recovery = await client.beginRecoverDeletedKey(key, { intervalInMs: 1 });
    await recovery.pollUntilDone();
    expect(Buffer.from((await cryptography.unwrapKey('RSA-OAEP-256', result)).result)).toEqual(dek);
  });

  test('purging requires a vault without purge protection', async () => {
    await emulator.control.deleteKey({ vault: 'contoso', key });
    expect(await failureOf(client.purgeDeletedKey(key))).toMatchObject({ statusCode: 403 });
    await emulator.control.setVaultOptions({ vault: 'contoso', purgeProtection: false });
    await client.purgeDeletedKey(key);
    await emulator.control.setVaultOptions({ vault: 'contoso', purgeProtection: true });
    expect(await failureOf(client.getDeletedKey(key))).toMatchObject({ code: 'KeyNotFound' });
  });
});

describe('a Managed HSM', () => {
  const hsmClient = async (name: string): Promise<CryptographyClient> => {
    const { vaultUrl } = customerNamed(emulator, 'luckyhsm');
    return new CryptographyClient(`${vaultUrl}/keys/${name}`, await appCredential(emulator, 'luckyhsm'), vaultOptions);
  };

  test('wraps with AES and reports an HSM', async () => {
    const cryptography = await hsmClient('aes');
    const { result } = await cryptography.wrapKey('A256KW', dek);
    expect(result).toHaveLength(40);
    expect(Buffer.from((await cryptography.unwrapKey('A256KW', result)).result)).toEqual(dek);
    expect(emulator.control.requests().some(({ at }) => at === 'luckyhsm')).toBe(true);
    const { key: shown } = await (await keyClientOf(emulator, 'luckyhsm')).getKey('aes');
    expect(shown).toMatchObject({ kty: 'oct-HSM' });
    expect(shown?.k).toBeUndefined();
  });

  test('refuses an algorithm of another size and an altered ciphertext', async () => {
    const cryptography = await hsmClient('aes');
    expect(await failureOf(cryptography.wrapKey('A128KW', dek))).toMatchObject({ code: 'BadParameter' });
    const { result } = await cryptography.wrapKey('A256KW', dek);
    const changed = result.with(3, (result[3] ?? 0) ^ 1);
    expect(await failureOf(cryptography.unwrapKey('A256KW', changed))).toMatchObject({ code: 'BadParameter' });
  });

  test('does not rotate without a policy, and makes a new version by create', async () => {
    const hsm = await keyClientOf(emulator, 'luckyhsm');
    await emulator.control.grantRole({ vault: 'luckyhsm', role: 'Managed HSM Crypto Officer' });
    expect(await failureOf(hsm.rotateKey('aes'))).toMatchObject({ code: 'BadParameter' });
    const before = (await hsm.getKey('aes')).properties.version;
    expect((await hsm.createKey('aes', 'oct-HSM')).properties.version).not.toBe(before);
  });

  test('challenges without a body, and refuses a caller without a role by AccessDenied and no inner code', async () => {
    const { vaultUrl } = customerNamed(emulator, 'luckyhsm');
    const challenge = await fetch(`${vaultUrl}/keys/aes?api-version=7.4`);
    expect([challenge.status, await challenge.text()]).toEqual([401, '']);
    expect(challenge.headers.get('www-authenticate')).toContain('resource="https://managedhsm.azure.net"');
    await emulator.control.removeRole({ vault: 'luckyhsm' });
    const failure = await failureOf((await keyClientOf(emulator, 'luckyhsm')).getKey('aes'));
    expect(failure).toMatchObject({ statusCode: 403, code: 'AccessDenied' });
    expect(failure).not.toHaveProperty('inner', expect.anything());
  });
});

describe('a plain vault', () => {
  test('has oct-HSM keys, like the Premium tier, and no oct ones', async () => {
    expect((await client.createKey('aes', 'oct-HSM')).keyType).toBe('oct-HSM');
    expect(await failureOf(client.createKey('aes-2', 'oct'))).toMatchObject({ code: 'BadParameter' });
  });

  test("has EC keys, which sign and can't wrap whatever their operations are", async () => {
    const made = await client.createKey('ec', 'EC', { keyOps: ['wrapKey', 'unwrapKey'] });
    expect(made.key).toMatchObject({ kty: 'EC', crv: 'P-256' });
    const cryptography = new CryptographyClient(made.id ?? '', await appCredential(emulator, 'contoso'), vaultOptions);
    expect(await failureOf(cryptography.wrapKey('RSA-OAEP-256', dek))).toMatchObject({ statusCode: 400 });
  });
});

describe('an ordered 401', () => {
  test('has its AKV code only in the message, with a challenge', async () => {
    await emulator.control.injectFault({
      at: 'contoso',
      operation: 'getKey',
      kind: 'status',
      status: 401,
      code: 'AKV10046',
      times: 1,
    });
    const { vaultUrl } = customerNamed(emulator, 'contoso');
    const response = await fetch(`${vaultUrl}/keys/x?api-version=7.4`, { headers: { authorization: 'Bearer x' } });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      error: { code: 'Unauthorized', message: 'AKV10046: Unable to resolve the key used for signature validation.' },
    });
    expect(response.headers.get('www-authenticate')).toContain('authorization="');
  });
});
