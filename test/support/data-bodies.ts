import fc from 'fast-check';
import type { dataReaders } from '../../src/http/bodies/data-readers.ts';
import { type Mutation, textMutation } from './mutations.ts';

/** An operation whose body is read from its bytes. */
export type Reader = keyof typeof dataReaders;

export interface DataBody {
  readonly reader: Reader;
  readonly bytes: Buffer;
}

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const plaintext = fc.oneof(
  fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  fc.nat(60_000).map((length) => Buffer.alloc(length, length).toString('base64')),
);
const encryptionContext = optional(
  fc.oneof(
    fc.constantFrom<unknown>({}, null, [], 'a', { table: 'invoices', row: '4711' }, { 10: 'b', 9: 'a' }, { a: 1 }),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 20 }), fc.string({ maxLength: 20 }), { maxKeys: 70 }),
  ),
);
const key = optional(fc.constantFrom<unknown>('data', 'archive', '', 'a'.repeat(64), 'a'.repeat(65), null));
const to = optional(
  fc.record(
    {
      tenantId: optional(fc.constantFrom('contoso', 'Contoso', '')),
      key,
      form: optional(fc.constantFrom('compact', 'self-contained', 'other')),
    },
    { noNullPrototype: true },
  ),
);
const names = fc.oneof(fc.constantFrom('ssn', 'name', '7', '1a', '', '__proto__', 'a'.repeat(129)), fc.string());
const fieldsOf = (value: fc.Arbitrary<string>) =>
  fc.array(fc.tuple(names, value), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs));
const batchOf = (item: fc.Arbitrary<unknown>) => fc.record({ items: fc.array(item, { maxLength: 4 }) });

/** Items that have nothing but a text: some of them equal, as messages of one key are. */
const listOf = (item: fc.Arbitrary<unknown>) =>
  batchOf(item).chain(({ items }) =>
    fc
      .array(fc.constantFrom({}, ...items), { maxLength: 20 })
      .map((some) => ({ items: some.filter((one) => one !== null && Object.keys(one as object).length > 0) })),
  );

/** Items in a row that differ in one text only, as the calls of one table or key do. */
const runsOf = (text: fc.Arbitrary<object>, others: fc.Arbitrary<object>) =>
  fc.array(fc.tuple(others, fc.array(text, { maxLength: 12 }), fc.boolean()), { maxLength: 4 }).map((runs) => ({
    items: runs.flatMap(([rest, some, isLast]) =>
      some.map((one) => (isLast ? { ...rest, ...one } : { ...one, ...rest })),
    ),
  }));

/** Returns the values of every body, good and bad. */
function valuesWith(ciphertext: fc.Arbitrary<string>): Readonly<Record<Reader, fc.Arbitrary<unknown>>> {
  const items = {
    encrypt: fc.record({ plaintext, encryptionContext, key }, { noNullPrototype: true }),
    decrypt: fc.record({ ciphertext, encryptionContext }, { noNullPrototype: true }),
    rewrap: fc.record({ ciphertext, encryptionContext, to }, { noNullPrototype: true }),
    encryptDocument: fc.record({ fields: fieldsOf(plaintext), encryptionContext, key }, { noNullPrototype: true }),
    decryptDocument: fc.record({ fields: fieldsOf(ciphertext), encryptionContext }, { noNullPrototype: true }),
    rewrapDocument: fc.record({ fields: fieldsOf(ciphertext), encryptionContext, to }, { noNullPrototype: true }),
  };
  return {
    encryptData: items.encrypt,
    decryptData: items.decrypt,
    rewrapData: items.rewrap,
    createDataKey: fc.record({ encryptionContext, key }, { noNullPrototype: true }),
    encryptBatch: fc.oneof(
      batchOf(items.encrypt),
      listOf(fc.record({ plaintext })),
      runsOf(fc.record({ plaintext }), fc.record({ encryptionContext, key }, { noNullPrototype: true })),
    ),
    decryptBatch: fc.oneof(
      batchOf(items.decrypt),
      listOf(fc.record({ ciphertext })),
      runsOf(fc.record({ ciphertext }), fc.record({ encryptionContext }, { noNullPrototype: true })),
    ),
    rewrapBatch: fc.oneof(
      batchOf(items.rewrap),
      runsOf(fc.record({ ciphertext }), fc.record({ encryptionContext, to }, { noNullPrototype: true })),
    ),
    encryptDocument: items.encryptDocument,
    decryptDocument: items.decryptDocument,
    rewrapDocument: items.rewrapDocument,
    encryptDocumentBatch: batchOf(items.encryptDocument),
    decryptDocumentBatch: batchOf(items.decryptDocument),
    rewrapDocumentBatch: batchOf(items.rewrapDocument),
  };
}

/** Pieces that change the meaning of JSON, or only its spelling. */
const PIECES = [
  ...['"', '\\', '\\"', '{', '}', '[', ']', ',', ':', ' ', '\n', '\t', '\r', '\0', '\x7f', '\u00a0', '\ufeff', 'é'],
  ...['\\u0041', '\\/', '=', '-', '_', '+', '/', '.', 'null', '1', '"key":"data",', '"plaintext":"aGk=",'],
  ...['"encryptionContext":{},', '{"a":"b","a":"b"},', '"__proto__":"a",', '"to":{"key":"data","key":"data"},'],
];
/** Inserts a piece at a place, or after the next sign of JSON's structure. */
const pieceMutation: fc.Arbitrary<Mutation> = fc
  .tuple(fc.nat(), fc.constantFrom(...PIECES), fc.constantFrom('', '"', ',', ':', '{', '}'), fc.nat(1))
  .map(([place, piece, sign, removed]) => (text: string) => {
    const at = place % (text.length + 1);
    const start = sign === '' ? at : text.indexOf(sign, at) + 1;
    return text.slice(0, start) + piece + text.slice(start + removed);
  });
const mutations: fc.Arbitrary<readonly Mutation[]> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<readonly Mutation[]>([]) },
  { weight: 2, arbitrary: fc.array(fc.oneof(pieceMutation, textMutation), { minLength: 1, maxLength: 3 }) },
);
/** One byte in another value, which is often no UTF-8. */
const byteMutation = fc.oneof(
  { weight: 7, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(), fc.nat(255)) },
);

/** Returns bodies with these messages, as clients write them and changed in many ways. */
export function dataBodies(readers: readonly Reader[], ciphertexts: readonly string[]): fc.Arbitrary<DataBody> {
  const values = valuesWith(fc.constantFrom(...ciphertexts));
  return fc.constantFrom(...readers).chain((reader) =>
    fc
      .tuple(values[reader], fc.constantFrom(undefined, 1, '\t'), mutations, byteMutation)
      .map(([value, space, changes, flip]) => {
        const bytes = Buffer.from(
          changes.reduce((text, change) => change(text), JSON.stringify(value, undefined, space)),
        );
        if (flip && bytes.length > 0) bytes[flip[0] % bytes.length] = flip[1];
        return { reader, bytes };
      }),
  );
}
