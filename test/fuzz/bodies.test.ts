import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type * as z from 'zod';
import { type Message, parseMessage } from '../../src/format/message.ts';
import { bodyLimitOf } from '../../src/http/bodies/body-limit.ts';
import { dataReaders } from '../../src/http/bodies/data-readers.ts';
import { parseJson } from '../../src/http/bodies/parse-json.ts';
import { operations } from '../../src/http/contract/contract.ts';
import {
  DecryptDocumentRequest,
  EncryptDocumentRequest,
  RewrapDocumentRequest,
} from '../../src/http/contract/document-fields.ts';
import { DecryptRequest, EncryptRequest, RewrapRequest } from '../../src/http/contract/fields.ts';
import { parseInput } from '../../src/lib/parse-input.ts';
import { dataBodies, type Reader } from '../support/data-bodies.ts';
import { Deployment } from '../support/deployment.ts';
import { fuzz, NO_LIMIT } from '../support/fuzz-runs.ts';
import { inOwnMemory } from '../support/jwe-parts.ts';
import { compact } from '../support/vectors.ts';

const ITEM_SCHEMAS: Readonly<Partial<Record<Reader, z.ZodType>>> = {
  encryptBatch: EncryptRequest,
  decryptBatch: DecryptRequest,
  rewrapBatch: RewrapRequest,
  encryptDocumentBatch: EncryptDocumentRequest,
  decryptDocumentBatch: DecryptDocumentRequest,
  rewrapDocumentBatch: RewrapDocumentRequest,
};
const readers = Object.keys(dataReaders) as Reader[];
const LIMITS = { maxPlaintextBytes: 24 * 1_024 * 1_024, maxBufferedBytes: 256 * 1_024 * 1_024 };

/** Returns the body as the schemas parse it, with its messages parsed too. Throws the refusal. */
function judged(reader: Reader, bytes: Buffer): unknown {
  const { values } = bodyLimitOf(LIMITS, operations[reader]);
  const body = parseInput(operations[reader].body, parseJson(bytes, { maxValues: values }), '');
  const itemSchema = ITEM_SCHEMAS[reader];
  if (!itemSchema) return withMessages(body);
  const { items } = body as { readonly items: readonly unknown[] };
  const ready = items.map((item) => withMessages(parseInput(itemSchema, item, '')));
  return { ready, plaintextBytes: ready.reduce<number>((sum, item) => sum + plaintextBytesOf(item), 0) };
}

/** Returns the body as its reader reads it, with each message in memory of its own. */
function readBy(reader: Reader, bytes: Buffer): unknown {
  const read = dataReaders[reader](bytes);
  if (read === undefined) return undefined;
  if (!('ready' in read)) return withMessages(read);
  const { ready, plaintextBytes } = read;
  return { ready: ready.map(withMessages), plaintextBytes };
}

interface Item {
  readonly plaintext?: Buffer;
  readonly ciphertext?: string | Message;
  readonly fields?: ReadonlyMap<string, Buffer | string | Message>;
}

function withMessages(body: unknown): unknown {
  const { ciphertext, fields } = body as Item;
  const parse = (value: Buffer | string | Message) =>
    Buffer.isBuffer(value) ? value : inOwnMemory(typeof value === 'string' ? parseMessage(value, 'message') : value);
  return {
    ...(body as object),
    ...(ciphertext !== undefined && { ciphertext: parse(ciphertext) }),
    ...(fields && { fields: new Map([...fields].map(([name, value]) => [name, parse(value)])) }),
  };
}

function plaintextBytesOf(item: unknown): number {
  const { plaintext, fields } = item as Item;
  const some = [...(plaintext ? [plaintext] : []), ...(fields?.values() ?? [])];
  return some.reduce((sum, value) => sum + (Buffer.isBuffer(value) ? value.length : 0), 0);
}

const sealer = new Deployment().start();
const CIPHERTEXTS = [
  await sealer.encrypt('an invoice'),
  await sealer.encrypt('another'),
  await sealer.encrypt('an invoice', { context: { table: 'invoices', row: '4711' } }),
  await sealer.encrypt('by another key', { key: 'hsm' }),
  await sealer.encrypt(Buffer.alloc(50_000, 'ab')),
  ...compact.cases.map(({ message }) => message),
];
const body = dataBodies(readers, CIPHERTEXTS);

test(
  'a body that is read from its bytes is accepted by the schemas, with the same value',
  async () => {
    await fuzz('bodies', 1, body, async ({ reader, bytes }) => {
      const read = readBy(reader, bytes);
      if (read === undefined) return;
      if (isDeepStrictEqual(read, judged(reader, bytes))) return;
      expect(read).toEqual(judged(reader, bytes));
    });
  },
  NO_LIMIT,
);

describe('a body as clients write it is read from its bytes', () => {
  const [selfContained = '', , withContext = ''] = CIPHERTEXTS;
  const context = { table: 'invoices', row: '4711' };
  const item: Readonly<Record<string, object>> = {
    encrypt: { plaintext: 'aGk=', encryptionContext: context, key: 'data' },
    decrypt: { ciphertext: withContext, encryptionContext: context },
    rewrap: { ciphertext: selfContained, to: { tenantId: 'fabrikam', key: 'data', form: 'compact' } },
    encryptDocument: { encryptionContext: context, fields: { ssn: 'aGk=', name: '' } },
    decryptDocument: { fields: { ssn: selfContained }, encryptionContext: {} },
    rewrapDocument: { fields: { ssn: selfContained, name: withContext }, to: { key: 'data' } },
  };
  const bodies: Readonly<Record<Reader, unknown>> = {
    encryptData: item['encrypt'],
    decryptData: item['decrypt'],
    rewrapData: item['rewrap'],
    createDataKey: { encryptionContext: context, key: 'data' },
    encryptDocument: item['encryptDocument'],
    decryptDocument: item['decryptDocument'],
    rewrapDocument: item['rewrapDocument'],
    encryptBatch: { items: [item['encrypt'], { plaintext: 'aGk' }] },
    decryptBatch: { items: CIPHERTEXTS.map((text) => ({ ciphertext: text })) },
    rewrapBatch: { items: [item['rewrap'], { ciphertext: selfContained }] },
    encryptDocumentBatch: { items: [item['encryptDocument']] },
    decryptDocumentBatch: { items: [item['decryptDocument']] },
    rewrapDocumentBatch: { items: [] },
  };

  test.each(readers)('%s', (reader) => {
    const dense = JSON.stringify(bodies[reader]);
    for (const text of [dense, JSON.stringify(bodies[reader], undefined, 2), dense.replaceAll('":', '": ')]) {
      const bytes = Buffer.from(text);
      expect(readBy(reader, bytes)).toEqual(judged(reader, bytes));
    }
  });

  test('an object without members', () => {
    expect(readBy('createDataKey', Buffer.from('{ }'))).toEqual(judged('createDataKey', Buffer.from('{ }')));
    for (const reader of readers) {
      if (reader !== 'createDataKey') expect(readBy(reader, Buffer.from('{}'))).toBeUndefined();
    }
  });

  test('a plaintext of many pieces', () => {
    const bytes = Buffer.from(JSON.stringify({ plaintext: Buffer.alloc(100_001, 'ab').toString('base64') }));
    expect(dataReaders.encryptData(bytes)).toEqual({ plaintext: Buffer.alloc(100_001, 'ab') });
  });
});

test.each(['=', '+', '-', '.', '\0', '\xe9', '"', ' '])(
  'a large plaintext with %j in its first piece, or in the last, is left to the schemas',
  (letter) => {
    const text = Buffer.alloc(75_000).toString('base64').replace('AAAA', '++++').replace('AAAA', '////');
    for (const at of [10, text.length - 10]) {
      const url = letter === '+' ? text.replaceAll('+', '-').replaceAll('/', '_') : text;
      const changed = url.slice(0, at) + letter + url.slice(at + 1);
      expect(dataReaders.encryptData(Buffer.from(`{"plaintext":"${changed}"}`, 'latin1'))).toBeUndefined();
      expect(dataReaders.encryptData(Buffer.from(`{"plaintext":"${url}"}`))).toBeDefined();
    }
  },
);

test.each([
  ['an escaped quote in a text', '{"plaintext":"aGk=\\""}'],
  ['an escape', '{"plaintext":"aGk\\u003d"}'],
  ['a letter outside ASCII', '{"plaintext":"aGk=","key":"é"}'],
  ['a control character', '{"plaintext":"aGk=","key":"a\tb"}'],
  ['a member twice', '{"plaintext":"aGk=","plaintext":"aGk="}'],
  ['a name of the context twice', '{"plaintext":"aGk=","encryptionContext":{"a":"1","a":"1"}}'],
  ['an unknown member', '{"plaintext":"aGk=","other":"a"}'],
  ['no required member', '{"key":"data"}'],
  ['text after its end', '{"plaintext":"aGk="}{}'],
  ['base64 of spare bits', '{"plaintext":"aGl="}'],
  ['two alphabets', '{"plaintext":"-+-+"}'],
  ['nothing', ''],
])('a body with %s is left to the schemas', (_name, text) => {
  expect(dataReaders.encryptData(Buffer.from(text))).toBeUndefined();
});
