import fc from 'fast-check';

/** Returns a changed text, which by chance may equal the original. */
export type Mutation = (text: string) => string;

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  '.': '\u2024',
  A: '\u0391',
  e: '\u0435',
  o: '\u03bf',
  '-': '\u2010',
  0: '\uff10',
};
const INSERTS = [
  '=',
  '==',
  '+',
  '/',
  ' ',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '.',
  '..',
  '%2E',
  '\u200b',
  '\ufeff',
  '\ud800',
  'A',
  'AAAA',
  '"',
  '\\',
];
const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const place = (text: string, where: number): number => Math.floor(text.length * where);

/** Any kind of text that has parts between dots. */
export const textMutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(at, fc.nat(5)).map(([where, bit]) => (text: string) => {
    const index = place(text, where);
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const value = letters.indexOf(text.charAt(index));
    return value < 0 ? text : text.slice(0, index) + letters.charAt(value ^ (1 << bit)) + text.slice(index + 1);
  }),
  at.map((where) => (text: string) => text.slice(0, place(text, where))),
  at.map((where) => (text: string) => text.slice(place(text, where))),
  fc.tuple(at, at).map(
    ([from, to]) =>
      (text: string) =>
        text.slice(0, place(text, from)) + text.slice(place(text, to)),
  ),
  fc.tuple(at, fc.constantFrom(...INSERTS)).map(([where, insert]) => (text: string) => {
    const index = place(text, where);
    return text.slice(0, index) + insert + text.slice(index);
  }),
  fc.tuple(at, fc.string({ unit: 'binary', maxLength: 20 })).map(([where, insert]) => (text: string) => {
    const index = place(text, where);
    return text.slice(0, index) + insert + text.slice(index + insert.length);
  }),
  fc
    .constantFrom(...Object.keys(LOOK_ALIKES))
    .map((letter) => (text: string) => text.replace(letter, LOOK_ALIKES[letter] ?? '')),
  fc.constantFrom('=', '==', ' ', '\n', '\0', '.').map((end) => (text: string) => text + end),
  fc.constant((text: string) => text.replaceAll('-', '+').replaceAll('_', '/')),
  fc.constant((text: string) => text.toUpperCase()),
  fc.constant((text: string) => encodeURIComponent(text.toWellFormed()).replaceAll('.', '%2E')),
  fc.nat(4_000).map((length) => (text: string) => text + 'A'.repeat(length)),
);

const parts = (text: string): string[] => text.split('.');

/**
 * Returns mutations of parts: moved, removed, duplicated, longer, shorter, or taken from another
 * text.
 */
export const partMutation = (others: readonly string[]): fc.Arbitrary<Mutation> => {
  const index = fc.nat(4);
  const other = fc.constantFrom(...others);
  return fc.oneof(
    fc.tuple(index, index).map(([a, b]) => (text: string) => {
      const all = parts(text);
      return all.with(a % all.length, all[b % all.length] ?? '').join('.');
    }),
    fc.tuple(index, other).map(([a, from]) => (text: string) => {
      const all = parts(text);
      return all.with(a % all.length, parts(from)[a] ?? '').join('.');
    }),
    fc.tuple(at, other).map(
      ([where, from]) =>
        (text: string) =>
          text.slice(0, place(text, where)) + from.slice(place(from, where)),
    ),
    index.map((a) => (text: string) => parts(text).toSpliced(a, 1).join('.')),
    fc.tuple(index, fc.string({ maxLength: 30 })).map(
      ([a, part]) =>
        (text: string) =>
          parts(text).toSpliced(a, 0, part).join('.'),
    ),
    fc.tuple(index, fc.uint8Array({ maxLength: 600 })).map(([a, bytes]) => (text: string) => {
      const all = parts(text);
      return all.with(a % all.length, Buffer.from(bytes).toString('base64url')).join('.');
    }),
  );
};

const member = fc.constantFrom(
  'alg',
  'enc',
  'kid',
  'typ',
  'tid',
  'kc',
  'mac',
  'ctx',
  'crit',
  'zip',
  'jku',
  'jwk',
  'b64',
  '__proto__',
  'constructor',
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    'none',
    'dir',
    'RSA1_5',
    'RSA-OAEP',
    'RSA-OAEP-256',
    'A256KW',
    'A128GCM',
    'DEF',
    'JWT',
    'vaultspan-stream+jwe',
  ),
  fc.constantFrom<unknown>(
    'fabrikam',
    'contoso',
    '../contoso',
    'https://localhost/keys/a/b',
    null,
    0,
    true,
    [],
    {},
    1e300,
    -1,
  ),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.base64String({ maxLength: 64 }),
  fc.uint8Array({ minLength: 16, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
);

/**
 * The first part, which is base64url of JSON: members changed, added, removed, reordered, or
 * spelled differently.
 */
export const headerMutation: fc.Arbitrary<Mutation> = fc
  .oneof(
    fc.tuple(member, value).map(
      ([name, to]) =>
        (json: string) =>
          JSON.stringify(withMember(JSON.parse(json), name, to)),
    ),
    member.map((name) => (json: string) => JSON.stringify({ ...JSON.parse(json), [name]: undefined })),
    fc.constant((json: string) => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(json)).reverse()))),
    fc.tuple(member, value).map(
      ([name, to]) =>
        (json: string) =>
          `{${JSON.stringify(name)}:${JSON.stringify(to)},${json.slice(1)}`,
    ),
    fc.constantFrom(': ', ' :', '\n:', '\t:').map((colon) => (json: string) => json.replace(':', colon)),
    at.map((where) => (json: string) => {
      const index = place(json, where);
      return `${json.slice(0, index)}\\u${json.charCodeAt(index).toString(16).padStart(4, '0')}${json.slice(index + 1)}`;
    }),
    textMutation,
    fc.json().map((json) => () => json),
  )
  .map((change) => (text: string) => {
    const [header = '', ...rest] = parts(text);
    try {
      return [Buffer.from(change(Buffer.from(header, 'base64url').toString())).toString('base64url'), ...rest].join(
        '.',
      );
    } catch {
      return text.slice(1); // an earlier change has left invalid JSON
    }
  });

const withMember = (object: object, name: string, to: unknown): object =>
  Object.fromEntries([...Object.entries(object).filter(([other]) => other !== name), [name, to]]);

/** Returns one of these texts after one to three changes. */
export const mutated = (texts: readonly string[], kinds: readonly fc.Arbitrary<Mutation>[]): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(...texts), fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 3 }))
    .map(([text, changes]) => changes.reduce((changed, change) => change(changed), text));
