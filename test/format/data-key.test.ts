import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { dataKeyFrom, isOriginMac, originMac } from '../../src/format/data-key.ts';
import { BOUND, CMK_V1, codeOf, Deployment, ORIGIN_KEY, settle } from '../support/deployment.ts';
import { gcm } from '../support/gcm.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';

const wrapped = {
  kek: { vaultUrl: 'https://a', name: 'k', keyVersion: '0'.repeat(32) },
  algorithm: 'RSA-OAEP-256',
  kid: CMK_V1,
  tenantId: 'contoso',
  encryptedKey: 'AAAA',
} as const;

const isWiped = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

describe('key material', () => {
  test('the buffer from which a data key is made is zero afterwards', () => {
    const bytes = randomBytes(32);
    const copy = Buffer.from(bytes);
    const { cek } = dataKeyFrom(gcm, bytes, wrapped);
    expect(isWiped(bytes)).toBe(true);
    const [aad, iv, plaintext] = [Buffer.from('a'), Buffer.alloc(12), Buffer.from('an invoice')];
    expect(cek.seal(aad, iv, plaintext)).toBe(gcm.lastingKey(copy).seal(aad, iv, plaintext));
  });

  test('the buffer is zero even if no data key is made', () => {
    const bytes = randomBytes(32);
    const broken = new Proxy(wrapped, {
      get: () => {
        throw new Error('broken');
      },
    });
    expect(() => dataKeyFrom(gcm, bytes, broken)).toThrow('broken');
    expect(isWiped(bytes)).toBe(true);
  });

  test('minting, opening and renewing leave no data key in a buffer', async () => {
    const deployment = new Deployment();
    const { vault, clock } = deployment;
    const [writer, reader] = [deployment.start(), deployment.start()];
    const message = await writer.encrypt();
    await reader.decrypt(message);
    clock.advance(BOUND / 2);
    await reader.decrypt(message);
    await settle();
    clock.advance(BOUND);
    await reader.decrypt(message);
    const [written, read] = [
      ['readKey', 'wrapKey', 'unwrapKey'],
      ['readKey', 'unwrapKey', 'unwrapKey', 'unwrapKey'],
    ];
    expect(vault.takeOperations()).toEqual([...written, ...read]);
    expect(vault.keyBuffers.map(isWiped)).toEqual([true, true, true, true, true]);
  });

  test('a data key whose wrap is refused is wiped', async () => {
    const deployment = new Deployment();
    const { vault } = deployment;
    vault.answer = ({ operation }) => {
      if (operation === 'wrapKey') throw refusal('role-missing');
    };
    expect(await codeOf(deployment.start().encrypt())).toBe('access-revoked');
    expect(vault.keyBuffers.map(isWiped)).toEqual([true]);
  });

  test('a data key for one message only whose wrap is refused is wiped', async () => {
    const deployment = new Deployment({ dataKeys: { mode: 'perMessage' } });
    const { vault } = deployment;
    let wraps = 0;
    vault.answer = ({ operation }) => {
      if (operation === 'wrapKey' && ++wraps === 2) throw refusal('role-missing');
    };
    expect(await codeOf(deployment.start().encrypt('a', { key: 'hsm' }))).toBe('access-revoked');
    expect(wraps).toBe(2);
    expect(vault.keyBuffers.map(isWiped)).toEqual([true, true, true]);
  });
});

describe('the mac of an origin key', () => {
  const mac = originMac(ORIGIN_KEY, wrapped);
  const other = createSecretKey(Buffer.alloc(32, 1));

  test('is 16 bytes and is valid under any of several origin keys', () => {
    expect(Buffer.from(mac, 'base64url').length).toBe(16);
    expect(isOriginMac([ORIGIN_KEY], wrapped, mac)).toBe(true);
    expect(isOriginMac([other, ORIGIN_KEY], wrapped, mac)).toBe(true);
  });

  test('is invalid under another origin key or none', () => {
    expect(isOriginMac([other], wrapped, mac)).toBe(false);
    expect(isOriginMac([], wrapped, mac)).toBe(false);
  });

  test.each([
    ['algorithm', { algorithm: 'RSA-OAEP' as const }],
    ['kid', { kid: CMK_V1.replace('0f', '1f') }],
    ['tenant', { tenantId: 'contoso2' }],
    ['encrypted key', { encryptedKey: 'AAAB' }],
  ])('is invalid for another %s', (_what, change) => {
    expect(isOriginMac([ORIGIN_KEY], { ...wrapped, ...change }, mac)).toBe(false);
  });

  test.each(['', mac.slice(0, -2), `${mac}AA`])('of another length is invalid: %j', (given) => {
    expect(isOriginMac([ORIGIN_KEY], wrapped, given)).toBe(false);
  });
});
