import { describe, expect, test } from '@jest/globals';
import { builtModule } from '../support/native-module.ts';

const module = builtModule();
const { MAX_AAD, MAX_TEXT, SEALING_BYTES, KEY_BYTES } = module;
const bytesOfKey = Buffer.alloc(KEY_BYTES, 1);
const key = module.newKey(bytesOfKey);

/** Lengths of what a call gets; the others are right. */
interface Lengths {
  readonly aad?: number;
  readonly iv?: number;
  readonly text?: number;
  readonly sealing?: number;
  /** Of the buffer that has the sealed message, and its place. */
  readonly bytes?: number;
  readonly at?: number;
}

const SEAL = [
  ['seal', module.seal.bind(module, key)],
  ['sealOnce', module.sealOnce.bind(module, bytesOfKey)],
] as const;
const OPEN = [
  ['open', module.open.bind(module, key)],
  ['openOnce', module.openOnce.bind(module, bytesOfKey)],
] as const;

/** The native module checks lengths itself: JavaScript's checks could have a fault. */
describe.each(SEAL)('%s of the native module', (_name, call) => {
  const run = ({ aad = 16, iv = 12, text = 16, sealing = SEALING_BYTES }: Lengths) =>
    call(Buffer.alloc(aad), Buffer.alloc(iv), Buffer.alloc(text), Buffer.alloc(sealing));

  test('accepts the largest and the smallest lengths', () => {
    expect(() => run({ aad: MAX_AAD, text: MAX_TEXT })).not.toThrow();
    expect(() => run({ aad: 0, text: 0 })).not.toThrow();
  });

  test.each<[string, Lengths]>([
    ['a longer header', { aad: MAX_AAD + 1 }],
    ['a longer text', { text: MAX_TEXT + 1 }],
    ['a shorter IV', { iv: 11 }],
    ['a longer IV', { iv: 13 }],
    ['no memory', { sealing: 0 }],
    ['less memory', { sealing: SEALING_BYTES - 1 }],
    ['more memory', { sealing: SEALING_BYTES + 1 }],
  ])('refuses %s', (_what, lengths) => {
    expect(() => run(lengths)).toThrow();
  });
});

describe.each(OPEN)('%s of the native module', (_name, call) => {
  const run = ({ aad = 16, text = 16, bytes = 12 + text + 16, at = 0 }: Lengths) =>
    call(Buffer.alloc(aad), Buffer.alloc(bytes), at, Buffer.alloc(text));

  test('accepts the largest and the smallest lengths', () => {
    expect(run({ aad: MAX_AAD, text: MAX_TEXT })).toBe(false);
    expect(run({ aad: 0, text: 0 })).toBe(false);
    expect(run({ at: 5, bytes: 5 + 12 + 16 + 16 })).toBe(false);
  });

  test.each<[string, Lengths]>([
    ['a longer header', { aad: MAX_AAD + 1 }],
    ['a longer text', { text: MAX_TEXT + 1 }],
    ['a buffer that ends in the tag', { bytes: 12 + 16 + 15 }],
    ['a buffer that ends in the ciphertext', { bytes: 12 + 15 }],
    ['a buffer that ends in the IV', { bytes: 11 }],
    ['an empty buffer', { bytes: 0 }],
    ['a place that leaves no room', { at: 1 }],
    ['a place after the end', { at: 1_000 }],
    ['the largest place', { at: 2 ** 32 - 1 }],
    ['a negative place', { at: -1 }],
  ])('refuses %s', (_what, lengths) => {
    expect(() => run(lengths)).toThrow();
  });

  test('writes nothing if the tag is wrong', () => {
    const text = Buffer.alloc(16, 7);
    expect(call(Buffer.alloc(0), Buffer.alloc(44), 0, text)).toBe(false);
    expect(text).toEqual(Buffer.alloc(16, 7));
  });
});

test.each([0, 16, 31, 33])('a key of %i bytes is refused', (length) => {
  const [none, sealing] = [Buffer.alloc(0), Buffer.alloc(SEALING_BYTES)];
  expect(() => module.newKey(Buffer.alloc(length))).toThrow();
  expect(() => module.sealOnce(Buffer.alloc(length), none, Buffer.alloc(12), none, sealing)).toThrow();
  expect(() => module.openOnce(Buffer.alloc(length), none, Buffer.alloc(28), 0, none)).toThrow();
});

test('a key is no other object, and no other object is a key', () => {
  expect(() => module.open({}, Buffer.alloc(0), Buffer.alloc(28), 0, Buffer.alloc(0))).toThrow();
});

/** Parts of a call for a list; the others are right. */
interface ListLengths {
  readonly aad?: number;
  readonly ivs?: number;
  readonly bytes?: number;
  readonly ends?: readonly number[];
  readonly answer?: number;
}

const [BEFORE, AFTER] = [Buffer.from('<'), Buffer.from('>')];
/** Two texts of 16 bytes: their messages, in their frames, and a comma. */
const SEALED = 2 * (1 + 16 + 1 + 22 + 1 + 22 + 1) + 1;

const SEAL_TEXTS = [
  ['sealTexts', module.sealTexts.bind(module, key)],
  ['sealTextsOnce', module.sealTextsOnce.bind(module, bytesOfKey)],
] as const;
const OPEN_TEXTS = [
  ['openTexts', module.openTexts.bind(module, key)],
  ['openTextsOnce', module.openTextsOnce.bind(module, bytesOfKey)],
] as const;
const OPEN_ALL = [
  ['openAll', module.openAll.bind(module, key)],
  ['openAllOnce', module.openAllOnce.bind(module, bytesOfKey)],
] as const;

describe.each(SEAL_TEXTS)('%s of the native module', (_name, call) => {
  const run = ({ aad = 16, ivs = 24, bytes = 32, ends = [16, 32], answer = SEALED }: ListLengths) =>
    call(
      Buffer.alloc(aad),
      Buffer.alloc(ivs),
      Buffer.alloc(bytes),
      Uint32Array.from(ends),
      BEFORE,
      AFTER,
      Buffer.alloc(answer),
    );

  test('accepts right lengths', () => {
    expect(() => run({})).not.toThrow();
    expect(() => run({ aad: MAX_AAD })).not.toThrow();
    expect(() => run({ ivs: 0, ends: [], answer: 0 })).not.toThrow();
  });

  test.each<[string, ListLengths]>([
    ['a longer header', { aad: MAX_AAD + 1 }],
    ['an IV too few', { ivs: 12 }],
    ['an IV too many', { ivs: 36 }],
    ['a part of an IV', { ivs: 23 }],
    ['texts that end too early', { bytes: 31 }],
    ['an end before its start', { ends: [32, 16] }],
    ['an end far away', { ends: [16, 2 ** 32 - 1] }],
    ['a longer text', { bytes: MAX_TEXT + 17, ends: [16, MAX_TEXT + 17], answer: SEALED + 6_000 }],
    ['a shorter answer', { answer: SEALED - 1 }],
    ['a longer answer', { answer: SEALED + 1 }],
    ['no answer', { answer: 0 }],
  ])('refuses %s', (_what, lengths) => {
    expect(() => run(lengths)).toThrow();
  });
});

/** Two messages of 16 zero bytes. */
function sealedParts(): Buffer {
  const sealed = Buffer.alloc(SEALED);
  const [ivs, ends] = [Buffer.alloc(24, 5), Uint32Array.of(16, 32)];
  module.sealTexts(key, Buffer.alloc(16), ivs, Buffer.alloc(32), ends, BEFORE, AFTER, sealed);
  const messages = sealed.toString('latin1').replaceAll(/[<>]/g, '').split(/[.,]/);
  return Buffer.concat(messages.map((part) => Buffer.from(part, 'base64url')));
}

const parts = sealedParts();
const LONG = 44 + 28 + MAX_TEXT + 1;
const openings = [
  ...OPEN_TEXTS.map(([name, call]) => {
    const open = (aad: Buffer, bytes: Buffer, ends: Uint32Array, filled: Buffer) =>
      call(aad, bytes, ends, BEFORE, AFTER, filled);
    const text = Buffer.alloc(16).toString('base64');
    return [name, open, `<${text}>,<${text}>`] as const;
  }),
  ...OPEN_ALL.map(([name, call]) => [name, call, '\0'.repeat(32)] as const),
];

describe.each(openings)('%s of the native module', (_name, call, texts) => {
  const run = ({ aad = 16, bytes = 88, ends = [44, 88], answer = texts.length }: ListLengths, from = parts) => {
    const filled = Buffer.alloc(answer, 7);
    const copy = Buffer.alloc(bytes);
    from.copy(copy);
    const isOpen = call(Buffer.alloc(aad), copy, Uint32Array.from(ends), filled);
    return { isOpen, filled: filled.toString('latin1') };
  };

  test('accepts right lengths', () => {
    expect(run({})).toEqual({ isOpen: true, filled: texts });
    expect(run({ ends: [], answer: 0 })).toEqual({ isOpen: true, filled: '' });
  });

  test('overwrites the answer if a tag is wrong', () => {
    const changed = Buffer.from(parts);
    changed[87] = (changed[87] ?? 0) ^ 1;
    expect(run({}, changed)).toEqual({ isOpen: false, filled: '\0'.repeat(texts.length) });
  });

  test.each<[string, ListLengths]>([
    ['a longer header', { aad: MAX_AAD + 1 }],
    ['messages that end too early', { bytes: 87 }],
    ['a message shorter than IV and tag', { ends: [44, 71] }],
    ['an end before its start', { ends: [44, 20] }],
    ['an end far away', { ends: [44, 2 ** 32 - 1] }],
    ['a longer text', { bytes: LONG, ends: [44, LONG], answer: texts.length + 6_000 }],
    ['a shorter answer', { answer: texts.length - 1 }],
    ['a longer answer', { answer: texts.length + 1 }],
  ])('refuses %s', (_what, lengths) => {
    expect(() => run(lengths)).toThrow();
  });
});
