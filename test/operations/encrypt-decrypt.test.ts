import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { headerOf } from '../support/jwe-parts.ts';
import { startService, type TestService } from '../support/start-service.ts';

const MAX_PLAINTEXT = 1_048_576;
/** Six letters for each base64 letter, the length of an escape, and 16 KiB. */
const MAX_BODY = 6 * 4 * Math.ceil(MAX_PLAINTEXT / 3) + 16_384;
const MAX_SMALL_BODY = 262_144;

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const encryptionContext = { purpose: 'invoice', id: '4711' };

const encrypt = (body: object, tenant = 'contoso') => service.post(`/tenants/${tenant}/encrypt`, body);
const decrypt = (body: object, tenant = 'contoso') => service.post(`/tenants/${tenant}/decrypt`, body);

describe('encrypt', () => {
  test('returns a ciphertext that decrypt opens, and names the key version', async () => {
    const encrypted = await encrypt({ plaintext, encryptionContext });
    expect(encrypted.status).toBe(200);
    expect(encrypted.body.keyId).toMatch(/^https:\/\/localhost:\d+\/keys\/data\/[0-9a-f]{32}$/);
    const decrypted = await decrypt({ ciphertext: encrypted.body.ciphertext, encryptionContext });
    expect(decrypted.status).toBe(200);
    expect(decrypted.body).toEqual({ plaintext, keyId: encrypted.body.keyId });
  });

  test('of the same message twice returns different ciphertexts', async () => {
    const [first, second] = [await encrypt({ plaintext }), await encrypt({ plaintext })];
    expect(first.body.ciphertext).not.toBe(second.body.ciphertext);
    const [iv, otherIv] = [first, second].map(({ body }) => body.ciphertext.split('.')[2]);
    expect(iv).not.toBe(otherIv);
  });

  test('names tenant, key and algorithm in the header, and no part of the message or its context', async () => {
    const { body } = await encrypt({ plaintext, encryptionContext });
    const header = headerOf(body.ciphertext);
    expect(header).toMatchObject({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: body.keyId, tid: 'contoso' });
    expect(Object.keys(header)).toEqual(['alg', 'enc', 'kid', 'typ', 'tid', 'kc', 'mac', 'ctx']);
    expect(JSON.stringify(header)).not.toMatch(/invoice|4711/);
  });

  test('uses the default key, or the one with the alias', async () => {
    const byDefault = await encrypt({ plaintext }, 'fabrikam');
    const byAlias = await encrypt({ plaintext, key: 'archive' }, 'fabrikam');
    expect(byDefault.body.keyId).toContain('/keys/data/');
    expect(byAlias.body.keyId).toContain('/keys/archive/');
    for (const { body } of [byDefault, byAlias]) {
      const decrypted = await decrypt({ ciphertext: body.ciphertext }, 'fabrikam');
      expect(decrypted.body).toEqual({ plaintext, keyId: body.keyId });
    }
  });

  test.each([['nope'], ['constructor'], ['__proto__'], ['DATA']])(
    'with the unknown alias %s is refused',
    async (key) => {
      const { status, body } = await encrypt({ plaintext, key });
      expect([status, body.code]).toEqual([422, 'unknown-key-alias']);
      expect(body.errors).toMatchObject([{ pointer: '/key' }]);
    },
  );

  test('with a key for wrap is refused', async () => {
    const { status, body } = await encrypt({ plaintext, key: 'wrap' });
    expect([status, body.code]).toEqual([409, 'key-use']);
    expect(body.errors).toMatchObject([{ pointer: '/key' }]);
  });
});

describe('an encryption context', () => {
  let ciphertext: string;
  beforeAll(async () => {
    ({ ciphertext } = (await encrypt({ plaintext, encryptionContext })).body);
  });

  test('opens with its members in any order', async () => {
    const decrypted = await decrypt({ ciphertext, encryptionContext: { id: '4711', purpose: 'invoice' } });
    expect([decrypted.status, decrypted.body.plaintext]).toEqual([200, plaintext]);
  });

  test.each([
    ['missing', undefined],
    ['empty', {}],
    ['with another value', { purpose: 'invoice', id: '4712' }],
    ['with a member less', { purpose: 'invoice' }],
    ['with a member more', { ...encryptionContext, more: '' }],
    ['with a name in other case', { Purpose: 'invoice', id: '4711' }],
    ['with members run together', { purpose: 'invoice","id":"4711' }],
  ])('that is %s does not open', async (_what, other) => {
    const { status, body } = await decrypt({ ciphertext, encryptionContext: other });
    expect([status, body.code]).toEqual([422, 'context-mismatch']);
    expect(body.errors).toMatchObject([{ pointer: '/encryptionContext' }]);
  });

  test('added to a message without one does not open', async () => {
    const encrypted = await encrypt({ plaintext });
    const { status, body } = await decrypt({ ciphertext: encrypted.body.ciphertext, encryptionContext });
    expect([status, body.code]).toEqual([422, 'context-mismatch']);
  });

  test('that is empty equals none', async () => {
    const encrypted = await encrypt({ plaintext, encryptionContext: {} });
    expect(headerOf(encrypted.body.ciphertext)).not.toHaveProperty('ctx');
    expect((await decrypt({ ciphertext: encrypted.body.ciphertext })).body.plaintext).toBe(plaintext);
  });

  test('of the largest size is accepted, and refused one byte above it', async () => {
    const sized = (last: number) => ({
      a: 'x'.repeat(1_024),
      b: 'x'.repeat(1_024),
      c: 'x'.repeat(1_024),
      d: 'x'.repeat(last),
    });
    const overhead = JSON.stringify(sized(0)).length;
    const largest = sized(4_096 - overhead);
    const encrypted = await encrypt({ plaintext, encryptionContext: largest });
    expect(encrypted.status).toBe(200);
    const decrypted = await decrypt({ ciphertext: encrypted.body.ciphertext, encryptionContext: largest });
    expect(decrypted.body.plaintext).toBe(plaintext);
    const { status, body } = await encrypt({ plaintext, encryptionContext: sized(4_097 - overhead) });
    expect([status, body.code, body.errors[0].pointer]).toEqual([400, 'malformed-request', '/encryptionContext']);
  });

  test('with escapes and multi-byte characters opens again', async () => {
    const odd = { 'straße "\\/': '\u0000\u001f\u2028😀', '😀': 'é', e: 'e\u0301' };
    const encrypted = await encrypt({ plaintext, encryptionContext: odd });
    expect((await decrypt({ ciphertext: encrypted.body.ciphertext, encryptionContext: odd })).status).toBe(200);
    const normalized = { ...odd, e: 'é' };
    expect((await decrypt({ ciphertext: encrypted.body.ciphertext, encryptionContext: normalized })).status).toBe(422);
  });
});

describe('a plaintext', () => {
  test.each([[0], [1], [2], [3], [31], [32], [33], [1_023], [65_536], [MAX_PLAINTEXT - 1], [MAX_PLAINTEXT]])(
    'of %i bytes is returned unchanged',
    async (size) => {
      const bytes = randomBytes(size).toString('base64');
      const encrypted = await encrypt({ plaintext: bytes, encryptionContext });
      expect(encrypted.status).toBe(200);
      const decrypted = await decrypt({ ciphertext: encrypted.body.ciphertext, encryptionContext });
      expect(decrypted.status).toBe(200);
      expect(decrypted.body.plaintext === bytes).toBe(true);
    },
  );

  // Only "/", which PHP escapes; only "+", which .NET escapes; and letters.
  test.each([
    ['\\/', 0xff, /\//g],
    ['\\u002b', 0xfb, /\+/g],
    ['\\u0041', 0x00, /A/g],
  ])('of exactly the limit is accepted with each letter written as %s', async (spelling, byte, letter) => {
    const bytes =
      byte === 0xfb
        ? Buffer.from('++++'.repeat(Math.ceil(MAX_PLAINTEXT / 3)), 'base64').subarray(0, MAX_PLAINTEXT)
        : Buffer.alloc(MAX_PLAINTEXT, byte);
    const text = bytes.toString('base64');
    const body = `{"plaintext":"${text.replaceAll(letter, spelling)}"}`;
    const encrypted = await service.post('/tenants/contoso/encrypt', body);
    expect(encrypted.status).toBe(200);
    const { ciphertext } = encrypted.body as { readonly ciphertext: string };
    expect((await decrypt({ ciphertext })).body.plaintext === text).toBe(true);
  });

  test('of one byte more than the limit is refused by name', async () => {
    const { status, body } = await encrypt({ plaintext: Buffer.alloc(MAX_PLAINTEXT + 1).toString('base64') });
    expect([status, body.code]).toEqual([413, 'body-too-large']);
    expect(body.errors).toMatchObject([{ pointer: '/plaintext' }]);
  });

  test('may be URL-safe and without padding, and is returned in standard base64', async () => {
    const encrypted = await encrypt({ plaintext: '-_8' });
    const decrypted = await decrypt({ ciphertext: encrypted.body.ciphertext });
    expect(decrypted.body.plaintext).toBe('+/8=');
  });
});

describe('a body', () => {
  const padded = (length: number): string => {
    const text = JSON.stringify({ plaintext });
    return text + ' '.repeat(length - text.length);
  };

  test('of exactly the limit is read', async () => {
    expect((await service.post('/tenants/contoso/encrypt', padded(MAX_BODY))).status).toBe(200);
  });

  test.each([
    ['encrypt', MAX_BODY],
    ['decrypt', MAX_BODY],
    ['wrap', MAX_SMALL_BODY],
    ['unwrap', MAX_SMALL_BODY],
  ])('of one byte more than the limit is refused by %s', async (operation, limit) => {
    const { status, body } = await service.post(`/tenants/contoso/${operation}`, padded(limit + 1));
    expect([status, body.code]).toEqual([413, 'body-too-large']);
    expect(body.errors).toMatchObject([{ pointer: '' }]);
  });
});
