import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { dataKeyFrom, originMac } from '../../src/format/data-key.ts';
import { canonicalContext } from '../../src/format/encryption-context.ts';
import { parseJwe, sealJwe } from '../../src/format/jwe.ts';
import { headerTemplate } from '../../src/format/jwe-header.ts';
import { stringOf } from '../../src/lib/json-safe.ts';
import { codeOf, Deployment, ORIGIN_KEY, tenantRecord } from '../support/deployment.ts';
import { gcm } from '../support/gcm.ts';
import { messages, negatives } from '../support/vectors.ts';

const deployment = new Deployment();
deployment.register(tenantRecord({ id: 't-1' }));

describe.each(messages.cases.map((vector, index) => [index + 1, vector] as const))('message %d', (_number, vector) => {
  const { tenantId, encryptionContext: context, ciphertext } = vector;
  const plaintext = Buffer.from(vector.plaintext, 'base64');

  test("decrypt reads its tenant's registered key for a policy, and opens it with one more call", async () => {
    const process = deployment.start();
    deployment.vault.takeCalls();
    expect((await process.decrypt(ciphertext, { tenantId, context })).equals(plaintext)).toBe(true);
    expect(deployment.vault.takeCalls()).toEqual([
      { operation: 'readKey', tenantId, kid: vector.kid.slice(0, vector.kid.lastIndexOf('/')) },
      { operation: 'unwrapKey', tenantId, kid: vector.kid },
    ]);
  });

  test('its context has the canonical form of the vector', () => {
    expect(canonicalContext(context)?.toString() ?? null).toBe(vector.canonicalContext);
  });

  test('parsing returns the header of the vector', () => {
    const { header } = parseJwe(ciphertext, 'vaultspan+jwe');
    expect(JSON.stringify(header)).toBe(vector.header);
  });

  test('sealing the same plaintext with the same data key and IV gives the same bytes', () => {
    const { header, kek, encryptedKey, bytes, at } = parseJwe(ciphertext, 'vaultspan+jwe');
    const iv = bytes.subarray(at, at + 12);
    const wrapped = { kek, algorithm: header.alg, kid: vector.kid, tenantId, encryptedKey };
    const dataKey = dataKeyFrom(gcm, Buffer.from(vector.cek, 'base64url'), wrapped);
    const template = headerTemplate(dataKey, originMac(ORIGIN_KEY, wrapped), 'vaultspan+jwe');
    const sealed = sealJwe({ dataKey, header: template }, iv, plaintext, canonicalContext(context));
    expect(stringOf(sealed)).toBe(ciphertext);
  });

  test('a tenant that requires origin refuses it under another origin key, with no vault call', async () => {
    const elsewhere = new Deployment({ id: tenantId });
    elsewhere.originKeys.keys = [createSecretKey(Buffer.alloc(32, 7))];
    expect(await codeOf(elsewhere.start().decrypt(ciphertext, { tenantId, context }))).toBe('undecryptable');
    expect(elsewhere.vault.takeCalls()).toEqual([]);
  });
});

/** Cases that only the vault's answer can decide. */
const NEEDS_VAULT = new Set([
  'control: opens',
  'other kc',
  'flipped ciphertext bit',
  'flipped tag bit',
  'no context given',
  'another context',
  'context given, none sealed',
]);

describe('decrypt of an invalid message', () => {
  test.each(negatives.cases.map((vector) => [vector.name, vector.code, vector] as const))(
    '%s: %s',
    async (name, code, { tenantId, encryptionContext: context, ciphertext }) => {
      const { vault } = deployment;
      vault.takeCalls();
      expect(await codeOf(deployment.start().decrypt(ciphertext, { tenantId, context }))).toBe(code);
      expect(vault.takeOperations()).toEqual(NEEDS_VAULT.has(name) ? ['readKey', 'unwrapKey'] : []);
    },
  );

  test('every case that needs the vault is one of the vectors', () => {
    const names = new Set(negatives.cases.map(({ name }) => name));
    expect([...NEEDS_VAULT].filter((name) => !names.has(name))).toEqual([]);
  });
});
