import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dataKeyFrom, originMac } from '../../src/format/data-key.ts';
import { openJwe, parseJwe, type SealingKey, sealJwe } from '../../src/format/jwe.ts';
import { headerTemplate } from '../../src/format/jwe-header.ts';
import { type KekRef, kidOf } from '../../src/format/kek-ref.ts';
import { stringOf } from '../../src/lib/json-safe.ts';
import { contexts } from '../support/arbitraries.ts';
import { CMK_V1, codeOf, Deployment, encryptedKeyOf, HSM_KEY, headerOf, ORIGIN_KEY } from '../support/deployment.ts';
import { gcm } from '../support/gcm.ts';

const context = { purpose: 'invoice', id: '4711' };
const deployment = new Deployment();
const process = deployment.start();
const message = await process.encrypt('an invoice', { context });
const hsmMessage = await process.encrypt('an invoice', { key: 'hsm', context });

const REFUSED = ['malformed-ciphertext', 'wrong-tenant', 'unknown-key', 'context-mismatch', 'undecryptable'];
const open = (ciphertext: string): Promise<string> => codeOf(process.decrypt(ciphertext, { context }));
const segmentsOf = (ciphertext: string): string[] => ciphertext.split('.');
const withSegment = (ciphertext: string, index: number, segment: string): string =>
  segmentsOf(ciphertext).with(index, segment).join('.');

describe('sealing and opening', () => {
  test('return any bytes under any context, warm and in another process', async () => {
    const other = deployment.start();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), contexts, async (bytes, sealedContext) => {
        const ciphertext = await process.encrypt(bytes, { context: sealedContext });
        for (const reader of [process, other]) {
          expect((await reader.decrypt(ciphertext, { context: sealedContext })).equals(bytes)).toBe(true);
        }
      }),
    );
  });

  test('the bytes of a header that stays keep no pool of buffers in memory', () => {
    const kek: KekRef = { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'cmk', keyVersion: '0'.repeat(32) };
    const wrapped = { kek, algorithm: 'RSA-OAEP-256', kid: kidOf(kek), tenantId: 'contoso', encryptedKey: '' } as const;
    const { aad, withoutContext } = headerTemplate(dataKeyFrom(gcm, randomBytes(32), wrapped), 'mac', 'vaultspan+jwe');
    expect(aad.toString()).toBe(withoutContext);
    expect(aad.buffer.byteLength).toBe(aad.length);
  });

  test.each([0, 1, 15, 16, 17, 255, 256, 65_535, 1_048_576])('return %d bytes', async (size) => {
    const plaintext = randomBytes(size);
    const opened = await process.decrypt(await process.encrypt(plaintext, { context }), { context });
    expect(opened.equals(plaintext)).toBe(true);
  });

  test('one plaintext sealed twice differs only in IV, ciphertext and tag', async () => {
    const [first, second] = [await process.encrypt('same', { context }), await process.encrypt('same', { context })];
    const isEqual = segmentsOf(first).map((segment, index) => segment === segmentsOf(second)[index]);
    expect(isEqual).toEqual([true, true, false, false, false]);
  });

  test('a context in another order of members opens', async () => {
    expect(await codeOf(process.decrypt(message, { context: { id: '4711', purpose: 'invoice' } }))).toBe('ok');
  });

  test('none and an empty context are the same', async () => {
    expect(await codeOf(process.decrypt(await process.encrypt('a', { context: {} })))).toBe('ok');
    expect(await codeOf(process.decrypt(await process.encrypt('a'), { context: {} }))).toBe('ok');
  });

  test.each([
    ['none', undefined],
    ['an empty one', {}],
    ['one member less', { id: '4711' }],
    ['one member more', { ...context, more: '' }],
    ['another value', { ...context, id: '4712' }],
    ['the same in upper case', { purpose: 'INVOICE', id: '4711' }],
    ['names and values exchanged', { invoice: 'purpose', 4711: 'id' }],
  ])('a message with a context does not open under %s', async (_what, other) => {
    expect(await codeOf(process.decrypt(message, { context: other }))).toBe('context-mismatch');
  });

  test('a message without a context does not open under one', async () => {
    expect(await open(await process.encrypt('a'))).toBe('context-mismatch');
  });

  test('any two different contexts exclude each other', async () => {
    await fc.assert(
      fc.asyncProperty(contexts, contexts, async (sealed, given) => {
        const ciphertext = await process.encrypt('a', { context: sealed });
        const isSame = JSON.stringify(Object.entries(sealed).sort()) === JSON.stringify(Object.entries(given).sort());
        expect(await codeOf(process.decrypt(ciphertext, { context: given }))).toBe(isSame ? 'ok' : 'context-mismatch');
      }),
    );
  });
});

const seal = (key: SealingKey, plaintext: Buffer, context?: Buffer) =>
  stringOf(sealJwe(key, randomBytes(12), plaintext, context));

describe('the protected header', () => {
  test('has the members of the format in their order', () => {
    const header = headerOf(message);
    expect(Object.keys(header)).toEqual(['alg', 'enc', 'kid', 'typ', 'tid', 'kc', 'mac', 'ctx']);
    expect(header).toMatchObject({
      alg: 'RSA-OAEP-256',
      enc: 'A256GCM',
      kid: CMK_V1,
      typ: 'vaultspan+jwe',
      tid: 'contoso',
    });
    expect(headerOf(hsmMessage)).toMatchObject({ alg: 'A256KW', kid: HSM_KEY });
  });

  test('has no ctx without a context', async () => {
    expect(Object.keys(headerOf(await process.encrypt('a'))).at(-1)).toBe('mac');
  });

  test('has the mac of its data key under the origin key', () => {
    const { alg, kid, tid, mac = '' } = headerOf(message);
    const input = `vaultspan 1\n${alg}\n${kid}\n${tid}\n${encryptedKeyOf(message)}`;
    const expected = createHmac('sha256', ORIGIN_KEY).update(input).digest().subarray(0, 16);
    expect(mac).toBe(expected.toString('base64url'));
  });

  test('is valid at every length, so at every alignment of base64', () => {
    for (let length = 1; length <= 12; length += 1) {
      const key = sealingKey({ vaultUrl: 'https://a', name: 'n'.repeat(length), keyVersion: '0'.repeat(32) });
      for (const canonical of [undefined, Buffer.from('{"a":"b"}')]) {
        const { header } = parseJwe(seal(key, Buffer.alloc(1), canonical), 'vaultspan+jwe');
        expect(header.kid).toBe(key.dataKey.kid);
        expect(header.ctx === undefined).toBe(canonical === undefined);
      }
    }
  });

  test('has room for the longest names', () => {
    const key = sealingKey(
      { vaultUrl: `https://${'h'.repeat(253)}:65535`, name: 'n'.repeat(127), keyVersion: '0'.repeat(32) },
      't'.repeat(64),
    );
    const ciphertext = seal(key, Buffer.alloc(0), Buffer.from('{"a":"b"}'));
    expect(parseJwe(ciphertext, 'vaultspan+jwe').header.tid).toBe('t'.repeat(64));
  });
});

describe('invalid messages', () => {
  test('a ciphertext with any one character replaced never opens', async () => {
    const replacement = fc.constantFrom(...'ABCDwxyz0189-_', '.', '=', '+', '/', ' ', '\n', '\0', 'é', 'Ж', '😀', '');
    for (const original of [message, hsmMessage]) {
      await fc.assert(
        fc.asyncProperty(fc.nat(original.length - 1), replacement, async (at, character) => {
          fc.pre(character !== original[at]);
          expect(REFUSED).toContain(await open(original.slice(0, at) + character + original.slice(at + 1)));
        }),
        { numRuns: 2_000 },
      );
    }
  });

  test('a ciphertext with any one bit of any segment flipped never opens', async () => {
    for (const original of [message, hsmMessage]) {
      for (const [index, segment] of segmentsOf(original).entries()) {
        const bytes = Buffer.from(segment, 'base64url');
        for (let bit = 0; bit < bytes.length * 8; bit += 1) {
          const flipped = Buffer.from(bytes);
          flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(REFUSED).toContain(await open(withSegment(original, index, flipped.toString('base64url'))));
        }
      }
    }
  });

  test('an encrypted key with any one bit flipped never opens where origin is optional', async () => {
    const lenient = new Deployment({ origin: 'optional' }).start();
    const bytes = Buffer.from(segmentsOf(hsmMessage)[1] ?? '', 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const forged = withSegment(hsmMessage, 1, flipped.toString('base64url'));
      expect(await codeOf(lenient.decrypt(forged, { context }))).toBe('undecryptable');
    }
  });

  test('no prefix of a ciphertext opens', async () => {
    for (let length = 0; length < message.length; length += 1) {
      expect(REFUSED).toContain(await open(message.slice(0, length)));
    }
  });

  test('no segment cut anywhere opens', async () => {
    for (const [index, segment] of segmentsOf(message).entries()) {
      for (let length = 0; length < segment.length; length += 1) {
        expect(REFUSED).toContain(await open(withSegment(message, index, segment.slice(0, length))));
        expect(REFUSED).toContain(await open(withSegment(message, index, segment.slice(segment.length - length))));
      }
    }
  });

  test('no message opens with text added before or after it', async () => {
    const garbage = fc.string({ unit: fc.constantFrom(...'AQz-_.= \n\0é'), minLength: 1, maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(garbage, async (text) => {
        expect(REFUSED).toContain(await open(message + text));
        expect(REFUSED).toContain(await open(text + message));
      }),
    );
  });

  test('no random text opens', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'A.e') })),
        async (text) => {
          expect(await open(text)).toBe('malformed-ciphertext');
        },
      ),
    );
  });

  test('a million dots are refused', async () => {
    expect(await open('.'.repeat(1_000_000))).toBe('malformed-ciphertext');
  });

  test('segments of two messages under one data key cannot be mixed', async () => {
    const other = await process.encrypt('another invoice', { context });
    for (const index of [2, 3, 4]) {
      expect(await open(withSegment(message, index, segmentsOf(other)[index] ?? ''))).toBe('undecryptable');
    }
  });

  test('a header with the ctx of another message of the same data key does not open', async () => {
    const other = await process.encrypt('an invoice', { context: { purpose: 'other' } });
    const swapped = withSegment(message, 0, segmentsOf(other)[0] ?? '');
    expect(await open(swapped)).toBe('context-mismatch');
    expect(await codeOf(process.decrypt(swapped, { context: { purpose: 'other' } }))).toBe('undecryptable');
  });

  test('a header without its ctx does not open without a context', async () => {
    const bare = withSegment(message, 0, segmentsOf(await process.encrypt('a'))[0] ?? '');
    expect(await codeOf(process.decrypt(bare))).toBe('undecryptable');
  });
});

test('a message opens only with the data key that its header commits to', () => {
  const { dataKey } = sealingKey({ vaultUrl: 'https://a', name: 'n', keyVersion: '0'.repeat(32) });
  const sealedUnder = (commitment: string) => {
    const header = headerTemplate({ ...dataKey, commitment }, 'A'.repeat(22), 'vaultspan+jwe');
    return parseJwe(seal({ dataKey, header }, Buffer.from('an invoice'), undefined), 'vaultspan+jwe');
  };
  expect(openJwe(dataKey, sealedUnder(dataKey.commitment), undefined).toString()).toBe('an invoice');
  const other = randomBytes(32).toString('base64url');
  expect(() => openJwe(dataKey, sealedUnder(other), undefined)).toThrow(
    expect.objectContaining({ code: 'undecryptable' }),
  );
});

describe('the form of a message', () => {
  const form = (index: number, bytes: number): Promise<string> =>
    open(withSegment(message, index, Buffer.alloc(bytes, 1).toString('base64url')));

  test.each([0, 1, 11, 13, 16, 64])('an IV of %d bytes is malformed', async (bytes) => {
    expect(await form(2, bytes)).toBe('malformed-ciphertext');
  });

  test.each([0, 4, 8, 12, 15, 17, 32])('a tag of %d bytes is malformed', async (bytes) => {
    expect(await form(4, bytes)).toBe('malformed-ciphertext');
  });

  test.each([0, 40, 255, 257, 1_024])('an RSA-encrypted key of %d bytes is malformed', async (bytes) => {
    expect(await form(1, bytes)).toBe('malformed-ciphertext');
  });

  test.each([0, 32, 39, 41, 48, 256])('an AES-encrypted key of %d bytes is malformed', async (bytes) => {
    const forged = withSegment(hsmMessage, 1, Buffer.alloc(bytes, 1).toString('base64url'));
    expect(await open(forged)).toBe('malformed-ciphertext');
  });

  const withHeader = (change: (json: string) => string): string => {
    const json = Buffer.from(segmentsOf(message)[0] ?? '', 'base64url').toString();
    return withSegment(message, 0, Buffer.from(change(json)).toString('base64url'));
  };

  test.each<[string, (json: string) => string]>([
    ['nothing', () => ''],
    ['null', () => 'null'],
    ['a string', () => '"a"'],
    ['an object of nothing', () => '{}'],
    ['a space at its end', (json) => `${json} `],
    ['a line feed at its start', (json) => `\n${json}`],
    ['a byte order mark', (json) => `\ufeff${json}`],
    ['a NUL at its end', (json) => `${json}\0`],
    ['a repeated ctx', (json) => json.replace(/}$/, `,"ctx":"${headerOf(message)['ctx']}"}`)],
    ['a member __proto__', (json) => json.replace(/}$/, ',"__proto__":{}}')],
    ['a member toJSON', (json) => json.replace(/}$/, ',"toJSON":"a"}')],
    ['ctx null', (json) => json.replace(/"ctx":"[^"]*"/, '"ctx":null')],
    ['an empty ctx', (json) => json.replace(/"ctx":"[^"]*"/, '"ctx":""')],
    ['a mac of 15 bytes', (json) => json.replace(/"mac":"[^"]*"/, `"mac":"${'A'.repeat(20)}"`)],
    ['a mac of 17 bytes', (json) => json.replace(/"mac":"[^"]*"/, `"mac":"${'A'.repeat(23)}"`)],
    ['a mac with spare bits', (json) => json.replace(/"mac":"[^"]*"/, `"mac":"${'A'.repeat(21)}B"`)],
    ['a kc with spare bits', (json) => json.replace(/"kc":"[^"]*"/, `"kc":"${'A'.repeat(42)}B"`)],
    ['an escaped slash', (json) => json.replace('/keys/', '\\/keys/')],
    ['an escaped letter', (json) => json.replace('contoso"', 'c\\u006fntoso"')],
    ['a kid of an upper-case host', (json) => json.replace('contoso-kv', 'CONTOSO-KV')],
    ['a kid of an upper-case version', (json) => json.replace('0f1e2d3c', '0F1E2D3C')],
    ['a kid of a version one digit short', (json) => json.replace('0f1e2d3c', 'f1e2d3c')],
    ['a kid with a line feed after it', (json) => json.replace('d2e1f0"', 'd2e1f0\\n"')],
    ['a kid of an empty name', (json) => json.replace('/cmk/', '//')],
    ['a kid of a name of 128 characters', (json) => json.replace('/cmk/', `/${'n'.repeat(128)}/`)],
    ['a tid in upper case', (json) => json.replace('"contoso"', '"CONTOSO"')],
    ['a tid of 65 characters', (json) => json.replace('"contoso"', `"${'t'.repeat(65)}"`)],
    ['a tid with a line feed after it', (json) => json.replace('"contoso"', '"contoso\\n"')],
    ['an alg for smaller keys', (json) => json.replace('RSA-OAEP-256', 'A128KW')],
    ['an alg of an array', (json) => json.replace('"RSA-OAEP-256"', '["RSA-OAEP-256"]')],
    ['the typ of an index key', (json) => json.replace('vaultspan+jwe', 'vaultspan-index-key+jwe')],
    ['the typ in upper case', (json) => json.replace('vaultspan+jwe', 'VAULTSPAN+JWE')],
  ])('a header with %s is malformed', async (_what, change) => {
    expect(await open(withHeader(change))).toBe('malformed-ciphertext');
  });

  test.each<[string, (encoded: string) => string]>([
    ['padding', (encoded) => `${encoded}=`],
    ['a space inside', (encoded) => `${encoded.slice(0, 8)} ${encoded.slice(8)}`],
    ['a line feed at its end', (encoded) => `${encoded}\n`],
    ['one letter more', (encoded) => `${encoded}A`],
  ])('a header encoded with %s is malformed', async (_what, change) => {
    expect(await open(withSegment(message, 0, change(segmentsOf(message)[0] ?? '')))).toBe('malformed-ciphertext');
  });

  test('a header encoded with spare bits is malformed', async () => {
    const forged = ['c', 'cm', 'cmk']
      .map((name) => withHeader((json) => json.replace('/cmk/', `/${name}/`)))
      .map((jwe) => ({ jwe, encoded: segmentsOf(jwe)[0] ?? '' }))
      .filter(({ encoded }) => encoded.length % 4 !== 0)
      .map(({ jwe, encoded }) => withSegment(jwe, 0, `${encoded.slice(0, -1)}${nextLetter(encoded.slice(-1))}`));
    expect(await Promise.all(forged.map(open))).toEqual(['malformed-ciphertext', 'malformed-ciphertext']);
  });

  test('a header of another tenant is reported before one of an unknown key', async () => {
    const forged = withHeader((json) => json.replace('"contoso"', '"fabrikam"').replace('/cmk/', '/other/'));
    expect(await open(forged)).toBe('wrong-tenant');
  });
});

/** Returns a data key of no vault, for messages that are only parsed. */
function sealingKey(kek: KekRef, tenantId = 'contoso'): SealingKey {
  const encryptedKey = Buffer.alloc(256).toString('base64url');
  const wrapped = { kek, algorithm: 'RSA-OAEP-256', kid: kidOf(kek), tenantId, encryptedKey } as const;
  const dataKey = dataKeyFrom(gcm, randomBytes(32), wrapped);
  return { dataKey, header: headerTemplate(dataKey, originMac(ORIGIN_KEY, wrapped), 'vaultspan+jwe') };
}

/** Returns the letter after one whose spare bits are zero: the same bytes, and spare bits. */
function nextLetter(letter: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return letters.charAt(letters.indexOf(letter) + 1);
}
