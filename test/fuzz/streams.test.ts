import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ServiceError } from '../../src/errors.ts';
import { decodePrefix } from '../../src/format/stream-format.ts';
import { StreamOpener } from '../../src/format/stream-opener.ts';
import { fuzz, NO_LIMIT } from '../support/fuzz-runs.ts';
import { JWE, newStreamKey, openStream, PREFIX, run, SEGMENT, sealStream } from '../support/streams.ts';

const plaintext = Buffer.from('a scan of some length');
const short = [sealStream(plaintext), sealStream(Buffer.alloc(0)), sealStream(Buffer.alloc(1_000, 'x'))];
const REFUSED = ['malformed-ciphertext', 'undecryptable'];

type Change = (stream: Buffer) => Buffer;

const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const cut = fc.tuple(at, at).map<readonly [number, number]>(([a, b]) => (a < b ? [a, b] : [b, a]));
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(at, fc.nat(7)).map(([where, bit]) => (stream: Buffer) => {
    const bytes = Buffer.from(stream);
    const index = Math.floor(bytes.length * where);
    if (index < bytes.length) bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
    return bytes;
  }),
  at.map((where) => (stream: Buffer) => stream.subarray(0, Math.floor(stream.length * where))),
  cut.map(
    ([from, to]) =>
      (stream: Buffer) =>
        Buffer.concat([
          stream.subarray(0, Math.floor(stream.length * from)),
          stream.subarray(Math.floor(stream.length * to)),
        ]),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 100 }).map((more) => (stream: Buffer) => Buffer.concat([stream, more])),
  fc.tuple(at, fc.constantFrom(...short)).map(
    ([where, other]) =>
      (stream: Buffer) =>
        Buffer.concat([
          stream.subarray(0, Math.floor(stream.length * where)),
          other.subarray(Math.floor(other.length * where)),
        ]),
  ),
  fc.integer({ min: 0, max: 0xffff_ffff }).map((length) => (stream: Buffer) => {
    const bytes = Buffer.from(stream);
    if (bytes.length >= 10) bytes.writeUInt32BE(length, 6);
    return bytes;
  }),
);

/** Returns whether bytes were returned, and the final code. */
function codeOf(open: () => Buffer): string {
  try {
    open();
    return 'opened';
  } catch (error) {
    if (error instanceof ServiceError) return error.code;
    throw error;
  }
}

test(
  'no changed stream opens, whatever its pieces',
  async () => {
    const changed = fc
      .tuple(fc.constantFrom(...short), fc.array(change, { minLength: 1, maxLength: 3 }))
      .map(([stream, changes]) => changes.reduce((bytes, one) => one(bytes), stream));
    const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 });
    await fuzz('streams', 0.15, fc.tuple(changed, lengths), async ([stream, pieces]) => {
      if (short.some((original) => original.equals(stream))) return;
      // The JWE is not checked here: a change of only the JWE is refused with the message.
      const sameBody = short.some((original) => original.subarray(PREFIX).equals(stream.subarray(PREFIX)));
      const prefix = prefixOf(stream);
      if (prefix === 'none') return;
      if (sameBody && prefix.bytes === PREFIX) return;
      const code = codeOf(() => run(new StreamOpener(newStreamKey()), stream.subarray(prefix.bytes), pieces));
      expect(REFUSED).toContain(code);
    });
  },
  NO_LIMIT,
);

function prefixOf(stream: Buffer): NonNullable<ReturnType<typeof decodePrefix>> | 'none' {
  try {
    return decodePrefix(stream) ?? 'none';
  } catch (error) {
    expect(error).toMatchObject({ code: 'malformed-ciphertext' });
    return 'none';
  }
}

test('no stream with swapped, duplicated, dropped or foreign segments opens', () => {
  const [one, other] = [sealStream(Buffer.alloc(3_500_000, 'a')), sealStream(Buffer.alloc(3_500_000, 'b'))] as const;
  const segments = (stream: Buffer) =>
    [0, 1, 2, 3].map((n) => stream.subarray(PREFIX + n * SEGMENT, PREFIX + (n + 1) * SEGMENT));
  const prefix = one.subarray(0, PREFIX);
  const orders = [
    [0, 2, 1, 3],
    [0, 1, 1, 2, 3],
    [0, 2, 3],
    [0, 1, 3],
    [1, 2, 3],
    [0, 1, 2],
    [0, 3],
    [0],
    [3],
    [0, 1, 2, 3, 3],
  ];
  for (const order of orders) {
    const stream = Buffer.concat([prefix, ...order.map((n) => segments(one)[n] ?? one)]);
    expect(codeOf(() => openStream(stream))).toBe('undecryptable');
  }
  for (const n of [0, 1, 2, 3]) {
    const mixed = segments(one).with(n, segments(other)[n] ?? other);
    expect(codeOf(() => openStream(Buffer.concat([prefix, ...mixed])))).toBe('undecryptable');
  }
  expect(openStream(one).length).toBe(3_500_000);
  expect(JWE.length + 10).toBe(PREFIX);
});
