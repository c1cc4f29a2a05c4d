import { hash, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodePrefix, openedLength, sealedLength } from '../../src/format/stream-format.ts';
import { StreamOpener } from '../../src/format/stream-opener.ts';
import { StreamSealer } from '../../src/format/stream-sealer.ts';
import { systemRandom } from '../../src/lib/random.ts';
import {
  FIRST,
  JWE,
  LATER,
  newStreamKey,
  openStream,
  PREFIX,
  run,
  SEGMENT,
  sealStream,
  streamFile,
  streams,
} from '../support/streams.ts';

const bytesOf = (length: number): Buffer => Buffer.alloc(length, randomBytes(4_099));
const segmentsOf = (length: number): number => Math.max(1, Math.ceil((length + 40) / LATER));

describe('a stream', () => {
  test.each(streams.cases)('of another implementation opens: $file', ({ file, streamKey, ...expected }) => {
    const opened = openStream(streamFile(file), undefined, Buffer.from(streamKey, 'base64url'));
    expect([opened.length, hash('sha256', opened)]).toEqual([expected.plaintextLength, expected.plaintextSha256]);
  });

  test.each([
    0,
    1,
    FIRST - 1,
    FIRST,
    FIRST + 1,
    FIRST + LATER - 1,
    FIRST + LATER,
    FIRST + LATER + 1,
    FIRST + 2 * LATER,
  ])('of %d bytes opens again and has the predicted length', (length) => {
    const plaintext = bytesOf(length);
    const stream = sealStream(plaintext);
    expect(openStream(stream).equals(plaintext)).toBe(true);
    expect(stream.length).toBe(PREFIX + 40 + length + 16 * segmentsOf(length));
    expect(sealedLength(JWE, length)).toBe(stream.length);
    expect(openedLength({ jwe: JWE, bytes: PREFIX }, stream.length)).toBe(length);
  });

  test('opens in pieces of any size', () => {
    const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 2_500_000 })), {
      minLength: 1,
      maxLength: 6,
    });
    const length = fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: FIRST - 3, max: FIRST + 3 }));
    fc.assert(
      fc.property(length, lengths, lengths, (bytes, sealing, opening) => {
        const plaintext = bytesOf(bytes);
        const atLeast = (pieces: readonly number[]) => [...pieces, 1_000];
        expect(openStream(sealStream(plaintext, atLeast(sealing)), atLeast(opening)).equals(plaintext)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('in single bytes opens, and is not kept as a buffer for each of them', () => {
    const plaintext = bytesOf(200_000);
    const sealer = new StreamSealer(newStreamKey(), JWE, systemRandom);
    const pieces: Buffer[] = [];
    for (const byte of plaintext) pieces.push(...sealer.push(Buffer.of(byte)));
    pieces.push(...sealer.end());
    expect(pieces.length).toBeLessThan(20);
    expect(openStream(Buffer.concat(pieces)).equals(plaintext)).toBe(true);
  });

  test('has its own key and nonces: the same plaintext never gives the same bytes', () => {
    const sealed = Array.from({ length: 3 }, () => sealStream(Buffer.from('the same')).subarray(PREFIX));
    const ciphertexts = sealed.map((stream) => stream.subarray(40).toString('hex'));
    expect(new Set(ciphertexts).size).toBe(3);
  });

  test('overwrites the given key', () => {
    const keys = [newStreamKey(), newStreamKey()] as const;
    new StreamSealer(keys[0], JWE, systemRandom);
    new StreamOpener(keys[1]);
    expect(keys.map((key) => key.every((byte) => byte === 0))).toEqual([true, true]);
  });
});

describe('the memory of a stream of 300 MiB', () => {
  test.each(['sealed', 'opened'] as const)('while it is %s is never more than a segment and a piece', (way) => {
    const PIECE = 65_536;
    const pieces: Buffer[] = [];
    const sealer = new StreamSealer(newStreamKey(), JWE, systemRandom);
    const opener = new StreamOpener(newStreamKey());
    let [pushed, given, most, skip] = [0, 0, 0, PREFIX];
    const count = (into: number, out: readonly Buffer[]) => {
      pushed += into;
      for (const { length } of out) given += length;
      most = Math.max(most, pushed - given);
    };
    for (let turn = 0; turn < (300 * 1_048_576) / PIECE; turn += 1) {
      const piece = Buffer.alloc(PIECE);
      pieces.push(piece);
      const sealed = sealer.push(piece);
      if (way === 'sealed') count(PIECE, sealed);
      else {
        for (const part of sealed) {
          const rest = part.subarray(skip);
          skip = Math.max(0, skip - part.length);
          if (rest.length > 0) count(rest.length, opener.push(rest));
        }
      }
    }
    expect(given).toBeGreaterThan(290 * 1_048_576);
    // The difference is the held segment, and an overhead of 16 bytes for each segment returned.
    expect(most).toBeLessThanOrEqual(SEGMENT + PIECE + 300 * 16 + 56);
    // The memory of used pieces is freed, except of those that two segments share.
    expect(pieces.filter(({ length }) => length === 0).length).toBeGreaterThan(0.9 * pieces.length);
  });
});

describe('a stream that was tampered with', () => {
  const plaintext = bytesOf(FIRST + 2 * LATER + 1_000);
  const stream = sealStream(plaintext);
  const other = sealStream(plaintext);
  const body = stream.subarray(PREFIX);
  const segments = [0, 1, 2, 3].map((index) => body.subarray(index * SEGMENT, (index + 1) * SEGMENT));
  const [s0, s1, s2, s3] = segments as [Buffer, Buffer, Buffer, Buffer];
  const others = other.subarray(PREFIX);
  const flipped = (at: number) => {
    const copy = Buffer.from(body);
    copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
    return copy;
  };

  /** Returns the code, and the number of bytes returned before it. */
  function outcomeOf(tampered: Buffer): readonly [string, number] {
    const opener = new StreamOpener(newStreamKey());
    try {
      run(opener, tampered);
      return ['ok', opener.plaintextBytes];
    } catch (error) {
      return [(error as { readonly code: string }).code, opener.plaintextBytes];
    }
  }

  test('opens unchanged: the control', () => {
    expect(outcomeOf(Buffer.concat(segments))).toEqual(['ok', plaintext.length]);
  });

  test.each<[string, Buffer, number]>([
    ['cut within the first segment', body.subarray(0, 5_000), 0],
    ['cut after the first segment', s0, 0],
    ['cut after the second', Buffer.concat([s0, s1]), FIRST],
    ['cut within the third', body.subarray(0, 2 * SEGMENT + 100), FIRST + LATER],
    ['cut by the last segment', Buffer.concat([s0, s1, s2]), FIRST + LATER],
    ['cut by one byte', body.subarray(0, -1), FIRST + 2 * LATER],
    ['cut by the last tag', body.subarray(0, -16), FIRST + 2 * LATER],
    ['with one byte more', Buffer.concat([body, Buffer.of(0)]), FIRST + 2 * LATER],
    ['with its last segment again', Buffer.concat([body, s3]), FIRST + 2 * LATER],
    ['with itself appended', Buffer.concat([body, body]), FIRST + 2 * LATER],
    ['with two segments swapped', Buffer.concat([s0, s2, s1, s3]), FIRST],
    ['with a segment doubled', Buffer.concat([s0, s1, s1, s2, s3]), FIRST + LATER],
    ['with a segment left out', Buffer.concat([s0, s2, s3]), FIRST],
    ['with another stream’s segment', Buffer.concat([s0, others.subarray(SEGMENT, 2 * SEGMENT), s2, s3]), FIRST],
    ['with another stream’s end', Buffer.concat([s0, s1, others.subarray(2 * SEGMENT)]), FIRST + LATER],
    ['with another stream’s salt', Buffer.concat([others.subarray(0, 40), body.subarray(40)]), 0],
    ['with a bit of its length byte flipped', flipped(0), 0],
    ['with a bit of its salt flipped', flipped(1), 0],
    ['with a bit of its nonce prefix flipped', flipped(39), 0],
    ['with a bit of the first segment flipped', flipped(40), 0],
    ['with a bit of a tag flipped', flipped(2 * SEGMENT - 1), FIRST],
    ['with its last bit flipped', flipped(body.length - 1), FIRST + 2 * LATER],
  ])('%s fails, and returns only the bytes that arrived intact before', (_case, tampered, verified) => {
    expect(outcomeOf(tampered)).toEqual(['undecryptable', verified]);
  });

  test.each<[string, Buffer, number]>([
    ['nothing', Buffer.alloc(0), 0],
    ['less than its header', body.subarray(0, 39), 0],
    ['its header alone', body.subarray(0, 40), 0],
    ['its header and half a tag', body.subarray(0, 55), 0],
    ['a later segment that is a tag alone', Buffer.concat([s0, s1.subarray(0, 16)]), FIRST],
  ])('that is %s has a length that no stream has', (_case, tampered, verified) => {
    expect(outcomeOf(tampered)).toEqual(['malformed-ciphertext', verified]);
    expect(codeOf(() => openedLength({ jwe: JWE, bytes: PREFIX }, PREFIX + tampered.length))).toBe(
      'malformed-ciphertext',
    );
  });

  test('never returns wrong bytes, wherever it is cut or changed', () => {
    const at = fc.integer({ min: 0, max: body.length - 1 });
    fc.assert(
      fc.property(at, fc.boolean(), (place, isCut) => {
        const [code] = outcomeOf(isCut ? body.subarray(0, place) : flipped(place));
        expect(['undecryptable', 'malformed-ciphertext']).toContain(code);
      }),
      { numRuns: 25 },
    );
  });
});

describe('the prefix', () => {
  const stream = sealStream(Buffer.from('x'));
  const withLength = (length: number) => {
    const copy = Buffer.from(stream);
    copy.writeUInt32BE(length, 6);
    return copy;
  };

  test('is read as soon as it is complete, and not before', () => {
    expect(decodePrefix(stream.subarray(0, PREFIX - 1))).toBeUndefined();
    expect(decodePrefix(Buffer.alloc(0))).toBeUndefined();
    expect(decodePrefix(stream.subarray(0, PREFIX))).toEqual({ jwe: JWE, bytes: PREFIX });
  });

  test.each<[string, Buffer]>([
    ['another start', Buffer.from('VSPN2\n')],
    ['a start that can become none', Buffer.from('X')],
    ['a header of no bytes', withLength(0)],
    ['a header of 63 bytes', withLength(63)],
    ['a header of 4,097 bytes', withLength(4_097)],
    ['a header of 4 GiB', withLength(0xffff_ffff)],
  ])('with %s is malformed', (_case, start) => {
    expect(codeOf(() => decodePrefix(start))).toBe('malformed-ciphertext');
  });

  test('with a wrong, shorter length leaves a stream that does not open', () => {
    expect(codeOf(() => openStream(withLength(JWE.length - 1)))).toBe('undecryptable');
  });
});

describe('a stream of more than 2^20 segments', () => {
  test.each([
    [2 ** 20 * LATER - 40, 'ok'],
    [2 ** 20 * LATER - 39, 'body-too-large'],
  ])('of %d bytes: %s', (bytes, code) => {
    expect(codeOf(() => sealedLength(JWE, bytes))).toBe(code);
    const sealed = PREFIX + 40 + bytes + 16 * segmentsOf(bytes);
    expect(codeOf(() => openedLength({ jwe: JWE, bytes: PREFIX }, sealed))).toBe(code);
  });
});

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'ok';
  } catch (error) {
    return (error as { readonly code?: string }).code ?? 'no code';
  }
}
