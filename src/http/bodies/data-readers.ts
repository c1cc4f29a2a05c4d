import { type ByteList, partsOf } from '../../format/byte-list.ts';
import { TENANT_ID } from '../../format/jwe-header.ts';
import { type Message, messageParser } from '../../format/message.ts';
import { type MessageRun, messageRuns, messagesOf } from '../../format/message-runs.ts';
import { textDecoder } from '../../format/text-list.ts';
import { MAX_ITEMS } from '../contract/batch-fields.ts';
import type { OperationId } from '../contract/contract.ts';
import { MAX_FIELD_NAME, MAX_FIELDS } from '../contract/document-fields.ts';
import { MAX_ALIAS, MAX_CIPHERTEXT, MAX_PLAINTEXT } from '../contract/fields.ts';
import { type BodyScanner, type Member, type TextRun as ScannedRun, scanBody } from './body-scanner.ts';

interface Context {
  readonly encryptionContext?: unknown;
}
type Form = 'self-contained' | 'compact';
interface Keyed {
  readonly key?: string;
}
interface Target {
  readonly to?: { readonly tenantId?: string; readonly key?: string; readonly form?: Form };
}
type EncryptItem = Context & Keyed & { readonly plaintext: Buffer };
type DecryptItem = Context & { readonly ciphertext: Message };
type RewrapItem = DecryptItem & Target;
/** Items with short plaintexts that have all else in common. */
type TextRun = Context & Keyed & { readonly list: ByteList };
/** The same with short messages that share their header and encrypted key. */
type ReadRun = Context & Target & MessageRun;
interface Fields<T> {
  readonly fields: ReadonlyMap<string, T>;
}

/** A batch whose items are all parsed and valid. */
export interface ReadBatch<T, L = never> {
  /** Of a list, they are made when they are asked for, and share its memory. */
  readonly ready: readonly T[];
  /** The same without an object for each, if items in a row differ in a short text only. */
  readonly list?: readonly L[];
  /** Bytes of all plaintexts. */
  readonly plaintextBytes: number;
}

/** A context has at most 64 members; one more makes the other path refuse it. */
const MAX_MEMBERS = 64;

const key: Member = { name: 'key', read: readAlias };
const encryptionContext: Member = { name: 'encryptionContext', read: (scanner) => objectOf(scanner, MAX_MEMBERS) };
const TARGET: readonly Member[] = [{ name: 'tenantId', read: readTenantId }, key, { name: 'form', read: readForm }];
const to: Member = {
  name: 'to',
  read: (scanner) => scanner.object(TARGET),
};
const readPlaintext = (scanner: BodyScanner): Buffer => scanner.base64(MAX_PLAINTEXT);
const DATA_KEY: readonly Member[] = [encryptionContext, key];
const ENCRYPT: readonly Member[] = [{ name: 'plaintext', read: readPlaintext }, encryptionContext, key];
const DOCUMENT: readonly Member[] = [
  { name: 'fields', read: (scanner) => fieldsOf(scanner, readPlaintext) },
  encryptionContext,
  key,
];

/** Members of an object with messages; the parser remembers the last one. */
function messageMembers(others: readonly Member[]): readonly Member[] {
  const readMessage = messageReader();
  return [{ name: 'ciphertext', read: readMessage }, encryptionContext, ...others];
}

function documentMembers(others: readonly Member[]): readonly Member[] {
  const readMessage = messageReader();
  return [{ name: 'fields', read: (scanner) => fieldsOf(scanner, readMessage) }, encryptionContext, ...others];
}

function messageReader(): (scanner: BodyScanner) => Message {
  const parse = messageParser('message');
  return (scanner) => scanner.parsed(MAX_CIPHERTEXT, parse);
}

/**
 * Readers of bodies that carry data, by operation. Each returns the body as its schema would, or
 * undefined for a body that the schema must judge. No string of the whole body is made, and base64
 * is decoded from its bytes: large strings are most of a large body's cost.
 */
export const dataReaders = {
  encryptData: (bytes: Buffer) => scanBody(bytes, (scanner) => whole<EncryptItem>(scanner, ENCRYPT, 'plaintext')),
  decryptData: (bytes: Buffer) =>
    scanBody(bytes, (scanner) => whole<DecryptItem>(scanner, messageMembers([]), 'ciphertext')),
  createDataKey: (bytes: Buffer) => scanBody(bytes, (scanner) => scanner.object<Context & Keyed>(DATA_KEY)),
  rewrapData: (bytes: Buffer) =>
    scanBody(bytes, (scanner) => whole<RewrapItem>(scanner, messageMembers([to]), 'ciphertext')),
  encryptBatch: (bytes: Buffer): ReadBatch<EncryptItem, TextRun> | undefined =>
    readTexts(bytes) ?? readBatch<EncryptItem>(bytes, ENCRYPT, 'plaintext', bytesOfItem),
  decryptBatch: (bytes: Buffer): ReadBatch<DecryptItem, Context & MessageRun> | undefined =>
    readMessages<Context>(bytes, []) ?? readBatch<DecryptItem>(bytes, messageMembers([]), 'ciphertext', none),
  rewrapBatch: (bytes: Buffer): ReadBatch<RewrapItem, ReadRun> | undefined =>
    readMessages<Context & Target>(bytes, [to]) ??
    readBatch<RewrapItem>(bytes, messageMembers([to]), 'ciphertext', none),
  encryptDocument: (bytes: Buffer) =>
    scanBody(bytes, (scanner) => whole<Context & Keyed & Fields<Buffer>>(scanner, DOCUMENT, 'fields')),
  decryptDocument: (bytes: Buffer) =>
    scanBody(bytes, (scanner) => whole<Context & Fields<Message>>(scanner, documentMembers([]), 'fields')),
  rewrapDocument: (bytes: Buffer) =>
    scanBody(bytes, (scanner) => whole<Context & Target & Fields<Message>>(scanner, documentMembers([to]), 'fields')),
  encryptDocumentBatch: (bytes: Buffer) =>
    readBatch<Context & Keyed & Fields<Buffer>>(bytes, DOCUMENT, 'fields', bytesOfFields),
  decryptDocumentBatch: (bytes: Buffer) =>
    readBatch<Context & Fields<Message>>(bytes, documentMembers([]), 'fields', none),
  rewrapDocumentBatch: (bytes: Buffer) =>
    readBatch<Context & Target & Fields<Message>>(bytes, documentMembers([to]), 'fields', none),
} as const satisfies Partial<Record<OperationId, (bytes: Buffer) => unknown>>;

export type DataReaders = typeof dataReaders;

function readBatch<T extends object>(
  bytes: Buffer,
  members: readonly Member[],
  required: keyof T & string,
  bytesOf: (item: T) => number,
): ReadBatch<T> | undefined {
  const items: Member = {
    name: 'items',
    read: (scanner) => scanner.array(MAX_ITEMS, () => whole<T>(scanner, members, required)),
  };
  const body = scanBody(bytes, (scanner) => whole<{ readonly items: readonly T[] }>(scanner, [items], 'items'));
  return body && { ready: body.items, plaintextBytes: body.items.reduce((sum, item) => sum + bytesOf(item), 0) };
}

/** Returns a batch whose items in a row differ in a short plaintext only. */
function readTexts(bytes: Buffer): ReadBatch<EncryptItem, TextRun> | undefined {
  const decode = textDecoder(bytes);
  const list = readRuns<Context & Keyed, TextRun>(bytes, 'plaintext', [encryptionContext, key], ({ rest, places }) => {
    const texts = decode(places);
    if (!texts) throw otherShape();
    return [{ ...rest, list: texts }];
  });
  return (
    list && {
      get ready() {
        return list.flatMap(({ list: texts, ...rest }) => partsOf(texts).map((plaintext) => ({ plaintext, ...rest })));
      },
      list,
      plaintextBytes: list.reduce((sum, { list: texts }) => sum + texts.bytes.length, 0),
    }
  );
}

/** Returns a batch whose items in a row differ in a short message only. */
function readMessages<R extends Context>(
  bytes: Buffer,
  others: readonly Member[],
): ReadBatch<R & { readonly ciphertext: Message }, R & MessageRun> | undefined {
  const members = [encryptionContext, ...others];
  const list = readRuns<R, R & MessageRun>(bytes, 'ciphertext', members, ({ rest, places }) => {
    const runs = messageRuns(bytes, places);
    if (!runs) throw otherShape();
    return runs.map((run) => ({ ...rest, ...run }));
  });
  return (
    list && {
      get ready() {
        return list.flatMap(({ first, list: messages, ...rest }) =>
          messagesOf({ first, list: messages }).map((ciphertext) => ({ ciphertext, ...(rest as unknown as R) })),
        );
      },
      list,
      plaintextBytes: 0,
    }
  );
}

/** Returns what `read` makes of each run of a body's items. */
function readRuns<R, T>(
  bytes: Buffer,
  name: string,
  others: readonly Member[],
  read: (run: ScannedRun<R>) => readonly T[],
): readonly T[] | undefined {
  const items: Member = {
    name: 'items',
    read: (scanner) => scanner.textRuns<R>(name, others, MAX_ITEMS).flatMap(read),
  };
  return scanBody(bytes, (scanner) => whole<{ readonly items: readonly T[] }>(scanner, [items], 'items'))?.items;
}

/** Returns an object that has its required member. */
function whole<T extends object>(scanner: BodyScanner, members: readonly Member[], required: keyof T & string): T {
  const item = scanner.object<T>(members);
  if (!Object.hasOwn(item, required)) throw otherShape();
  return item;
}

const otherShape = (): Error => new Error('a body of another shape');
const none = (): number => 0;
const bytesOfItem = ({ plaintext }: EncryptItem): number => plaintext.length;
const bytesOfFields = ({ fields }: Fields<Buffer>): number =>
  fields.values().reduce((sum, { length }) => sum + length, 0);

function readAlias(scanner: BodyScanner): string {
  const alias = scanner.text();
  if (alias === '' || alias.length > MAX_ALIAS) throw otherShape();
  return alias;
}

function readTenantId(scanner: BodyScanner): string {
  const tenantId = scanner.text();
  if (!TENANT_ID.test(tenantId)) throw otherShape();
  return tenantId;
}

function readForm(scanner: BodyScanner): Form {
  const form = scanner.text();
  if (form !== 'self-contained' && form !== 'compact') throw otherShape();
  return form;
}

const objectOf = (scanner: BodyScanner, max: number): object =>
  Object.fromEntries(scanner.pairs(max, () => scanner.text()));

function fieldsOf<T>(scanner: BodyScanner, read: (scanner: BodyScanner) => T): ReadonlyMap<string, T> {
  const pairs = scanner.pairs(MAX_FIELDS, read);
  if (pairs.length === 0 || pairs.some(([name]) => name === '' || name.length > MAX_FIELD_NAME)) throw otherShape();
  return new Map(pairs);
}
