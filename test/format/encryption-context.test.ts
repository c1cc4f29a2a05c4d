import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalContext, fieldContexts } from '../../src/format/encryption-context.ts';
import { contexts } from '../support/arbitraries.ts';
import { compact } from '../support/vectors.ts';

const text = (context: unknown): string | undefined => canonicalContext(context)?.toString('utf8');
const withMembers = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, '']));
const malformed = expect.objectContaining({ code: 'malformed-request' });

describe('the canonical form', () => {
  test('sorts names by UTF-16 code units, as in the example of RFC 8785 §3.2.3', () => {
    const example = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\u{1f600}': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    expect(text(example)).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis",' +
        '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    );
  });

  test('escapes strings as in the example of RFC 8785 §3.2.2', () => {
    expect(text({ string: '\u20ac$\u000f\nA\'B"\\\\"/' })).toBe('{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}');
  });

  test.each([
    [
      'control characters by their short escapes or in lower-case hex',
      '\b\t\n\f\r\0\u001f\u007f',
      '\\b\\t\\n\\f\\r\\u0000\\u001f\u007f',
    ],
    ['line and paragraph separators as they are', '\u2028\u2029', '\u2028\u2029'],
    ['no normalisation of composed and decomposed letters', 'e\u0301é', 'e\u0301é'],
    ['a noncharacter as it is', '\uffff', '\uffff'],
  ])('writes %s', (_what, value, written) => {
    expect(text({ a: value })).toBe(`{"a":"${written}"}`);
  });

  test('sorts names that look like indexes as strings', () => {
    expect(text({ b: '', 10: '', 9: '', 1: '', a: '' })).toBe('{"1":"","10":"","9":"","a":"","b":""}');
  });

  test('is equal for any order of the members', () => {
    const reordered = contexts.chain((context) =>
      fc.tuple(
        fc.constant(context),
        fc.shuffledSubarray(Object.entries(context), { minLength: Object.keys(context).length }),
      ),
    );
    fc.assert(
      fc.property(reordered, ([context, entries]) => {
        expect(text(Object.fromEntries(entries))).toBe(text(context));
      }),
    );
  });

  test('gives the same members to any JSON parser, in order of code units and without whitespace', () => {
    fc.assert(
      fc.property(contexts, (context) => {
        const canonical = text(context) ?? '{}';
        const parsed = JSON.parse(canonical) as Record<string, string>;
        expect(parsed).toEqual(context);
        const pairs = Object.keys(parsed)
          .sort()
          .map((name) => `${JSON.stringify(name)}:${JSON.stringify(parsed[name])}`);
        expect(canonical).toBe(`{${pairs.join(',')}}`);
      }),
    );
  });

  test.each([
    ['none', undefined],
    ['an empty one', {}],
  ])('of %s is none', (_what, context) => {
    expect(canonicalContext(context)).toBeUndefined();
  });

  test('is UTF-8', () => {
    expect(canonicalContext({ é: '€😀' })?.toString('hex')).toBe('7b22c3a9223a22e282acf09f9880227d');
  });
});

describe('an invalid context', () => {
  test.each([
    ['null', null],
    ['an array', ['a']],
    ['an empty array', []],
    ['a string', 'a'],
    ['a number', 1],
    ['a number as a value', { a: 1 }],
    ['null as a value', { a: null }],
    ['an object as a value', { a: {} }],
    ['an array as a value', { a: ['b'] }],
    ['a boolean as a value', { a: true }],
    ['undefined as a value', { a: undefined }],
    ['an empty name', { '': 'a' }],
    ['a lone high surrogate as a name', { '\ud800': 'a' }],
    ['a lone low surrogate in a name', { 'a\udc00b': 'a' }],
    ['a lone high surrogate in a value', { a: 'b\ud83d' }],
    ['surrogates in the wrong order', { a: '\ude00\ud83d' }],
    ['the name __proto__', JSON.parse('{"__proto__":"a"}')],
    ['__proto__ with an object', JSON.parse('{"__proto__":{"a":"b"}}')],
    ['__proto__ among others', JSON.parse('{"a":"b","__proto__":"c"}')],
    ['the name vaultspan', { vaultspan: 'a' }],
    ['a name that starts with vaultspan', { 'vaultspan-purpose': 'a' }],
  ])('%s is refused', (_what, context) => {
    expect(() => canonicalContext(context)).toThrow(malformed);
  });

  test.each(['constructor', 'toString', 'hasOwnProperty', '__proto', 'proto__', 'Vaultspan', 'my-vaultspan'])(
    'the name %s is accepted',
    (name) => {
      expect(text({ [name]: 'a' })).toBe(`{"${name}":"a"}`);
    },
  );

  test('reports the position of the wrong member, and neither its name nor its value', () => {
    const context = { fine: 'a', 'secret-name': 'secret-value\ud800' };
    const detail = 'member 2: a value must be well-formed Unicode';
    expect(() => canonicalContext(context)).toThrow(
      expect.objectContaining({
        errors: [{ pointer: '/encryptionContext', detail }],
        message: `encryptionContext: ${detail}`,
      }),
    );
  });
});

describe('the limits', () => {
  test.each([
    ['64 members', withMembers(64)],
    ['a name of 128 code units', { ['n'.repeat(128)]: '' }],
    ['a name of 64 characters beyond the BMP', { ['😀'.repeat(64)]: '' }],
    ['a value of 1,024 code units', { a: 'v'.repeat(1_024) }],
    ['a value of 512 characters beyond the BMP', { a: '😀'.repeat(512) }],
    ['an empty value', { a: '' }],
  ])('%s are accepted', (_what, context) => {
    expect(JSON.parse(text(context) ?? '')).toEqual(context);
  });

  test.each([
    ['65 members', withMembers(65)],
    ['a name of 129 code units', { ['n'.repeat(129)]: '' }],
    ['a name of 129 code units, the last of a pair', { [`n${'😀'.repeat(64)}`]: '' }],
    ['a value of 1,025 code units', { a: 'v'.repeat(1_025) }],
  ])('%s are refused', (_what, context) => {
    expect(() => canonicalContext(context)).toThrow(malformed);
  });

  // {"a":"…","b":"…","c":"…","d":"…"} is 29 bytes without the values
  const ofLength = (bytes: number) => {
    const values = ['v'.repeat(1_024), 'v'.repeat(1_024), 'v'.repeat(1_024), 'v'.repeat(bytes - 29 - 3 * 1_024)];
    return Object.fromEntries(values.map((value, index) => ['abcd'.charAt(index), value]));
  };

  test('4,096 bytes in canonical form are accepted', () => {
    expect(canonicalContext(ofLength(4_096))?.length).toBe(4_096);
  });

  test('4,097 bytes in canonical form are refused', () => {
    expect(() => canonicalContext(ofLength(4_097))).toThrow(malformed);
  });

  test('bytes are counted in UTF-8, and escapes as they are written', () => {
    expect(() => canonicalContext({ a: '€'.repeat(1_024), b: '€'.repeat(342) })).toThrow(malformed);
    expect(() => canonicalContext({ a: '\0'.repeat(682), b: '' })).toThrow(malformed);
    expect(canonicalContext({ a: '\0'.repeat(681) })?.length).toBe(4_094);
  });
});

describe('the context of a document’s field', () => {
  test('is the canonical form of the caller’s context with the reserved member', () => {
    fc.assert(
      fc.property(contexts, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (context, field) => {
        const whole = { ...context, 'vaultspan:field': field };
        const pairs = Object.entries(whole).sort(([a], [b]) => (a < b ? -1 : 1));
        const expected = `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
        expect(fieldContexts(context)(field).toString()).toBe(expected);
      }),
    );
  });

  test('is that of the vector', () => {
    const [vector] = compact.cases.filter(({ name }) => name === 'field of a document');
    expect(fieldContexts({ table: 'customers' })('ssn').toString()).toBe(vector?.canonicalContext);
  });

  test('holds the limits for the caller’s part', () => {
    expect(() => fieldContexts({ 'vaultspan:field': 'ssn' })).toThrow(malformed);
    expect(() => fieldContexts('no object')).toThrow(malformed);
    expect(fieldContexts(undefined)('a').toString()).toBe('{"vaultspan:field":"a"}');
  });
});
