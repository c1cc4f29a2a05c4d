import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type GcmKey, javascriptGcm } from '../../src/format/aes-gcm.ts';
import { type ByteList, chunksOf, partsOf } from '../../src/format/byte-list.ts';
import { messageRuns } from '../../src/format/message-runs.ts';
import { textDecoder } from '../../src/format/text-list.ts';
import { Deployment } from '../support/deployment.ts';
import { gcm } from '../support/gcm.ts';

const aad = Buffer.from('a header');
const frame = { before: Buffer.from('{"text":"'), after: Buffer.from('","key":"é"}') };

function listOf(parts: readonly Buffer[]): ByteList {
  let end = 0;
  return { bytes: Buffer.concat(parts), ends: Uint32Array.from(parts, ({ length }) => (end += length)) };
}

/** Both kinds of keys, of the implementation under test. */
const keysOf = (bytes: Buffer): readonly GcmKey[] => [gcm.lastingKey(bytes), gcm.keyOfOneUse(Buffer.from(bytes))];

const textsOf = (json: Buffer): string[] =>
  (JSON.parse(`[${json.toString()}]`) as { readonly text: string; readonly key: string }[]).map(({ text, key }) => {
    expect(key).toBe('é');
    return text;
  });

const sealedParts = (messages: readonly string[]) =>
  messages.map((message) => Buffer.concat(message.split('.').map((part) => Buffer.from(part, 'base64url'))));

describe(`lists, ${gcm.name}`, () => {
  test.each([
    ['no texts', []],
    ['an empty text', [0]],
    ['short texts', [1, 2, 3, 15, 16, 17, 0, 100]],
    ['texts of the longest length', [4_096, 0, 4_096]],
    ['a text that the native module does not take', [5, 4_097, 5]],
  ])('%s become the messages that each becomes for itself, and open again', (_name, lengths) => {
    const bytes = randomBytes(32);
    const reference = javascriptGcm.lastingKey(bytes);
    const texts = lengths.map((length) => randomBytes(length));
    const ivs = randomBytes(12 * texts.length);
    const messages = texts.map((text, n) => reference.seal(aad, ivs.subarray(12 * n, 12 * n + 12), text));
    for (const key of keysOf(bytes)) {
      expect(textsOf(key.sealList({ aad, list: listOf(texts), frame }, ivs))).toEqual(messages);
      const opened = key.openList({ aad, list: listOf(sealedParts(messages)), frame });
      expect(opened && textsOf(opened)).toEqual(texts.map((text) => text.toString('base64')));
      const all = key.openAll({ aad, list: listOf(sealedParts(messages)) });
      expect(all && partsOf(all)).toEqual(texts);
    }
  });

  test.each([0, 1, 2])('nothing is returned if one bit of message %i is another', (which) => {
    const bytes = randomBytes(32);
    const reference = javascriptGcm.lastingKey(bytes);
    const sealed = sealedParts(
      ['one', 'two', ''].map((text) => reference.seal(aad, randomBytes(12), Buffer.from(text))),
    );
    const changed = sealed[which] ?? Buffer.alloc(0);
    for (const at of [0, 11, 12, changed.length - 16, changed.length - 1]) {
      changed[at] = (changed[at] ?? 0) ^ 1;
      for (const key of keysOf(bytes)) {
        expect(key.openList({ aad, list: listOf(sealed), frame })).toBeUndefined();
        expect(key.openAll({ aad, list: listOf(sealed) })).toBeUndefined();
      }
      changed[at] ^= 1;
    }
    for (const key of keysOf(bytes)) {
      expect(key.openList({ aad, list: listOf(sealed), frame })).toBeDefined();
      expect(key.openList({ aad: Buffer.from('another'), list: listOf(sealed), frame })).toBeUndefined();
    }
  });
});

test.each([1, 3, 4, 7, 8, 100])('chunks of %i parts have the parts of their list', (max) => {
  const parts = ['one', '', 'three', 'four', '', '', 'seven'].map((text) => Buffer.from(text));
  const chunks = chunksOf(listOf(parts), max);
  expect(chunks.flatMap(partsOf)).toEqual(parts);
  expect(chunks.every(({ ends }) => ends.length > 0 && ends.length <= max)).toBe(true);
});

/** Returns the places of all texts between quotes: start and end in turn. */
const placesIn = (body: string): number[] =>
  [...body.matchAll(/"([^"]*)"/g)].flatMap(({ index, 0: text }) => [index + 1, index + text.length - 1]);

test('texts have memory of their size, so that it can be freed at once after its use', () => {
  const texts = ['', 'a', 'ab', 'abc', 'a'.repeat(100)].map((text) => Buffer.from(text));
  for (const encoding of ['base64', 'base64url'] as const) {
    const body = JSON.stringify(texts.map((text) => text.toString(encoding)));
    const list = textDecoder(Buffer.from(body))(placesIn(body));
    expect(list && partsOf(list)).toEqual(texts);
    expect(list?.bytes.buffer.byteLength).toBe(list?.bytes.length);
  }
});

test('messages of several headers have memory of their size for each header', async () => {
  const process = new Deployment().start();
  const messages: string[] = [];
  for (let n = 0; n < 40; n += 1) messages.push(await process.encrypt(`${n}`, { key: n < 20 ? 'cmk' : 'hsm' }));
  const body = JSON.stringify(messages);
  const runs = messageRuns(Buffer.from(body), placesIn(body)) ?? [];
  expect(runs.map(({ list }) => list.ends.length)).toEqual([20, 20]);
  for (const { list } of runs) expect(list.bytes.buffer.byteLength).toBe(list.bytes.length);
});
