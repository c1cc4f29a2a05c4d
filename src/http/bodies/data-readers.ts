import { type ByteList, partsOf } from '../../format/byte-list.ts';
import { TENANT_ID } from '../../format/jwe-header.ts';
import { type Message, messageParser } from '../../format/message.ts';
import { type MessageRun, messageRuns, messagesOf } from '../../format/message-runs.ts';
import { decodeTexts } from '../../format/text-list.ts';
import { MAX_ITEMS } from '../contract/batch-fields.ts';
import type { OperationId } from '../contract/contract.ts';
import { MAX_FIELD_NAME, MAX_FIELDS } from '../contract/document-fields.ts';
import { MAX_ALIAS, MAX_CIPHERTEXT, MAX_PLAINTEXT } from '../contract/fields.ts';
import { type BodyScanner, type Member, scanBody } from './body-scanner.ts';

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
interface Fields<T> {
  readonly fields: ReadonlyMap<string, T>;
}

/** A batch whose items are all parsed and valid. */
export interface ReadBatch<T, L = never> {
  /** Of a list, they are made when they are asked for, and share its memory. */
  readonly ready: readonly T[];
  /** The same without an object for each, if the items have nothing but a short text. */
  readonly list?: L;
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
  encryptBatch: (bytes: Buffer): ReadBatch<EncryptItem, ByteList> | undefined =>
    readTexts(bytes) ?? readBatch<EncryptItem>(bytes, ENCRYPT, 'plaintext', bytesOfItem),
  decryptBatch: (bytes: Buffer): ReadBatch<DecryptItem, readonly MessageRun[]> | undefined =>
    readMessages(bytes) ?? readBatch<DecryptItem>(bytes, messageMembers([]), 'ciphertext', none),
  rewrapBatch: (bytes: Buffer) => readBatch<RewrapItem>(bytes, messageMembers([to]), 'ciphertext', none),
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

/** Returns a batch of items that have a short plaintext and nothing else. */
function readTexts(bytes: Buffer): ReadBatch<EncryptItem, ByteList> | undefined {
  const list = scanBody(bytes, (scanner) => readList(scanner, 'plaintext', (places) => decodeTexts(bytes, places)));
  return (
    list && {
      get ready() {
        return partsOf(list).map((plaintext) => ({ plaintext }));
      },
      list,
      plaintextBytes: list.bytes.length,
    }
  );
}

/** Returns a batch of items that have a short message and nothing else. */
function readMessages(bytes: Buffer): ReadBatch<DecryptItem, readonly MessageRun[]> | undefined {
  const list = scanBody(bytes, (scanner) => readList(scanner, 'ciphertext', (places) => messageRuns(bytes, places)));
  return (
    list && {
      get ready() {
        return list.flatMap(messagesOf).map((ciphertext) => ({ ciphertext }));
      },
      list,
      plaintextBytes: 0,
    }
  );
}

function readList<T>(scanner: BodyScanner, name: string, read: (places: readonly number[]) => T | undefined): T {
  const items: Member = { name: 'items', read: () => read(scanner.places(name, MAX_ITEMS)) };
  const { items: list } = scanner.object<{ readonly items: T | undefined }>([items]);
  if (list === undefined) throw otherShape();
  return list;
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
