import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CompactEncrypt, compactDecrypt } from 'jose';
import {
  compactHeader,
  compactParser,
  deriveContentKey,
  deriveLeafKey,
  isBranchId,
  isCompact,
  leafIdOf,
  openCompact,
  parseCompact,
  sealCompact,
} from '../../src/format/compact.ts';
import { stringOf } from '../../src/lib/json-safe.ts';
import { contentKeyOf } from '../support/gcm.ts';
import { inOwnMemory } from '../support/jwe-parts.ts';
import { compact, messages } from '../support/vectors.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const branchKeyOf = ({ branchKey }: { readonly branchKey: string }) => createSecretKey(hex(branchKey));
const contextOf = ({ canonicalContext }: { readonly canonicalContext: string }) =>
  canonicalContext === '' ? undefined : Buffer.from(canonicalContext);

describe.each(compact.cases.map((vector) => [vector.name, vector] as const))('vector: %s', (_name, vector) => {
  const leafKey = deriveLeafKey(branchKeyOf(vector), vector.use, vector.tid, vector.K);
  const contentKey = () => contentKeyOf(leafKey, contextOf(vector));
  const contentKeyBytes = () => deriveContentKey(leafKey, contextOf(vector));

  test('the leaf id, the leaf key and the content key are those of the vector', () => {
    const leaf = leafIdOf(hex(vector.branchId), hex(vector.leafSalt));
    expect(leaf).toEqual({
      kid: vector.K,
      branchId: hex(vector.branchId).toString('base64url'),
      isLease: (hex(vector.leafSalt)[0] ?? 0) >= 0x80,
    });
    expect(leafKey.export().toString('hex')).toBe(vector.leafKey);
    expect(contentKeyBytes().toString('hex')).toBe(vector.cek);
  });

  test('the bytes of the header keep no pool of buffers in memory', () => {
    const { text, aad } = compactHeader(vector.K);
    expect(aad.toString()).toBe(text);
    expect(aad.buffer.byteLength).toBe(aad.length);
  });

  test('sealing gives the same characters', () => {
    expect(Buffer.from(compactHeader(vector.K).text, 'base64url').toString()).toBe(vector.header);
    const sealed = sealCompact(contentKey(), compactHeader(vector.K), hex(vector.iv), hex(vector.plaintext));
    expect(sealed).toBe(vector.message);
    expect(sealed.length).toBe(vector.characters);
  });

  test('opening returns the plaintext, and so does jose with the derived key', async () => {
    expect(isCompact(vector.message)).toBe(true);
    const opened = openCompact(contentKey(), parseCompact(vector.message));
    expect(opened.toString('hex')).toBe(vector.plaintext);
    const { plaintext } = await compactDecrypt(vector.message, contentKeyBytes());
    expect(Buffer.from(plaintext).toString('hex')).toBe(vector.plaintext);
  });

  test.each([
    ['tenant', { tid: 'other' }],
    ['use', { use: vector.use === 'message' ? 'stream' : 'message' }],
    ['context', { canonicalContext: '{"table":"other"}' }],
  ] as const)('another %s does not open it', (_what, change) => {
    const other = { ...vector, ...change };
    const key = contentKeyOf(deriveLeafKey(branchKeyOf(other), other.use, other.tid, other.K), contextOf(other));
    expect(() => openCompact(key, parseCompact(vector.message))).toThrow(
      expect.objectContaining({ code: 'undecryptable' }),
    );
  });
});

const kids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));

describe('a compact message', () => {
  const leafKey = createSecretKey(Buffer.alloc(32, 7));
  const seal = (kid: Buffer, plaintext: Uint8Array) =>
    stringOf(
      sealCompact(
        contentKeyOf(leafKey, undefined),
        compactHeader(kid.toString('base64url')),
        Buffer.alloc(12, 1),
        plaintext,
      ),
    );

  test('opens again, whatever its leaf and its plaintext', () => {
    fc.assert(
      fc.property(kids, fc.uint8Array({ maxLength: 200 }), (kid, plaintext) => {
        const text = seal(kid, plaintext);
        expect(isCompact(text)).toBe(true);
        const message = parseCompact(text);
        expect(message.leaf).toEqual(leafIdOf(kid.subarray(0, 8), kid.subarray(8)));
        expect(openCompact(contentKeyOf(leafKey, undefined), message)).toEqual(Buffer.from(plaintext));
      }),
    );
  });

  test('is refused with any character changed', () => {
    const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\u0100'];
    fc.assert(
      fc.property(
        kids,
        fc.uint8Array({ maxLength: 40 }),
        fc.nat(),
        fc.constantFrom(...alphabet),
        (kid, plaintext, at, character) => {
          const text = seal(kid, plaintext);
          const index = at % text.length;
          const changed = text.slice(0, index) + character + text.slice(index + 1);
          fc.pre(changed !== text && isCompact(changed));
          const open = () => openCompact(contentKeyOf(leafKey, undefined), parseCompact(changed));
          // Another K is another leaf, which has another key; here only the header's authentication
          // can refuse it.
          expect(open).toThrow(
            expect.objectContaining({ code: expect.stringMatching(/^(?:undecryptable|malformed-ciphertext)$/) }),
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  const text = seal(Buffer.alloc(16, 9), Buffer.from('hi'));
  const [header = '', , iv = '', ciphertext = '', tag = ''] = text.split('.');
  test.each([
    ['an encrypted key', `${header}.AAAA.${iv}.${ciphertext}.${tag}`],
    ['a segment more', `${text}.AAAA`],
    ['a segment less', `${header}..${iv}.${ciphertext}`],
    ['a longer IV', `${header}..${iv}AAAA.${ciphertext}.${tag}`],
    ['a shorter tag', `${header}..${iv}.${ciphertext}.${tag.slice(4)}`],
    ['padding', `${header}..${iv}.${ciphertext}=.${tag}`],
    [
      'spare bits in the ciphertext',
      `${header}..${iv}.${ciphertext.slice(0, -1)}${ciphertext.endsWith('A') ? 'B' : 'Z'}.${tag}`,
    ],
    ['standard base64', `${header}..${iv}.++++.${tag}`],
    ['spare bits in K', `${compactHeader(`${'A'.repeat(21)}B`).text}..${iv}.${ciphertext}.${tag}`],
    [
      'a member more',
      `${Buffer.from('{"alg":"dir","enc":"A256GCM","kid":"AAAAAAAAAAAAAAAAAAAAAA","zip":"DEF"}').toString('base64url')}..${iv}.${ciphertext}.${tag}`,
    ],
    [
      'white space after K',
      `${Buffer.from('{"alg":"dir","enc":"A256GCM","kid":"AAAAAAAAAAAAAAAAAAAAAA" }').toString('base64url')}..${iv}.${ciphertext}.${tag}`,
    ],
    ['nothing after its start', header.slice(0, 48)],
  ])('with %s has an invalid form', (_what, changed) => {
    expect(isCompact(changed)).toBe(true);
    expect(() => parseCompact(changed)).toThrow(expect.objectContaining({ code: 'malformed-ciphertext' }));
  });

  test('is distinguished from every self-contained one by its first 48 characters', () => {
    expect(messages.cases.filter(({ ciphertext: sealed }) => isCompact(sealed))).toEqual([]);
  });

  test('made by jose with another order of members is not compact', async () => {
    const foreign = await new CompactEncrypt(Buffer.from('hi'))
      .setProtectedHeader({ enc: 'A256GCM', alg: 'dir', kid: 'AAAAAAAAAAAAAAAAAAAAAA' })
      .encrypt(Buffer.alloc(32, 7));
    expect(isCompact(foreign)).toBe(false);
  });
});

test('a branch id is 11 characters of canonical base64url', () => {
  expect(isBranchId('ICEiIyQlJic')).toBe(true);
  for (const text of ['', 'ICEiIyQlJi', 'ICEiIyQlJid', 'ICEiIyQlJic=', 'ICEi+yQlJic', 'ICEiIyQlJicA']) {
    expect(isBranchId(text)).toBe(false);
  }
});

test('a parser of many messages returns what each gives alone, also after one that is malformed', () => {
  const parser = compactParser();
  /** The text is in the middle of a larger one. */
  const parse = (text: string) => inOwnMemory(parser(Buffer.from(`"${text}","`, 'latin1'), 1, 1 + text.length));
  for (const { message } of [...compact.cases, ...compact.cases]) {
    expect(parse(message)).toEqual(inOwnMemory(parseCompact(message)));
    expect(parse(message)).toEqual(inOwnMemory(parseCompact(message)));
    expect(() => parse(`${message.slice(0, -1)}!`)).toThrow(expect.objectContaining({ code: 'malformed-ciphertext' }));
    expect(() => parse(`${message.slice(0, 79)}!${message.slice(80)}`)).toThrow(
      expect.objectContaining({ code: 'malformed-ciphertext' }),
    );
  }
});
