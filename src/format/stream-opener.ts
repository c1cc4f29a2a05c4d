import { createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { releaseMemory } from '../lib/memory.ts';
import { undecryptable } from './aes-gcm.ts';
import { SegmentCutter } from './segment-cutter.ts';
import {
  assertFits,
  assertSegmentLength,
  CIPHER,
  HEADER_BYTES,
  SEGMENT_BYTES,
  type SegmentKey,
  segmentKey,
  TAG_BYTES,
} from './stream-format.ts';
import type { StreamTransform } from './stream-transform.ts';

/**
 * Opens one stream, given the bytes after its prefix; only bytes that the tag has verified come
 * out. A stream with cut, swapped, duplicated, appended or foreign parts fails with
 * `undecryptable`, at the latest in `end`. A length that no stream has fails with
 * `malformed-ciphertext`.
 */
export class StreamOpener implements StreamTransform {
  readonly #streamKey: KeyObject;
  readonly #cutter = new SegmentCutter(SEGMENT_BYTES, SEGMENT_BYTES);
  #key: SegmentKey | undefined;
  #out: Buffer[] = [];
  #segments = 0;
  plaintextBytes = 0;

  /** @param streamKey 32 bytes, which are taken over and overwritten */
  constructor(streamKey: Buffer) {
    this.#streamKey = createSecretKey(streamKey);
    streamKey.fill(0);
  }

  push(chunk: Buffer): readonly Buffer[] {
    this.#cutter.push(chunk, (pieces) => this.#open(pieces, false));
    return this.#take();
  }

  end(): readonly Buffer[] {
    this.#open(this.#cutter.last(), true);
    return this.#take();
  }

  #open(pieces: readonly Buffer[], isLast: boolean): void {
    const index = this.#segments;
    this.#segments += 1;
    assertFits(this.#segments);
    const bytes = lengthOf(pieces);
    assertSegmentLength(index, bytes);
    const [sealed, tag] = split(index === 0 ? this.#withoutHeader(pieces) : pieces, bytesBeforeTag(index, bytes));
    if (!this.#key) throw undecryptable();
    const decipher = createDecipheriv(CIPHER, this.#key.key, this.#key.nonce(index, isLast), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(Buffer.concat(tag));
    const opened = sealed.map((piece) => {
      const text = decipher.update(piece);
      releaseMemory(piece);
      return text;
    });
    try {
      decipher.final();
    } catch (cause) {
      for (const piece of opened) piece.fill(0);
      throw undecryptable(cause);
    }
    for (const piece of opened) this.#out.push(piece);
    this.plaintextBytes += lengthOf(opened);
  }

  #withoutHeader(pieces: readonly Buffer[]): readonly Buffer[] {
    const [header, rest] = split(pieces, HEADER_BYTES);
    this.#key = segmentKey(this.#streamKey, Buffer.concat(header));
    return rest;
  }

  #take(): readonly Buffer[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

const bytesBeforeTag = (index: number, bytes: number): number => bytes - TAG_BYTES - (index === 0 ? HEADER_BYTES : 0);

const lengthOf = (pieces: readonly Buffer[]): number => pieces.reduce((sum, { length }) => sum + length, 0);

/** Returns the first `bytes` of all pieces, and the rest; views, no copies. */
function split(pieces: readonly Buffer[], bytes: number): readonly [Buffer[], Buffer[]] {
  const before: Buffer[] = [];
  const after: Buffer[] = [];
  let left = bytes;
  for (const piece of pieces) {
    if (left > 0) before.push(piece.subarray(0, left));
    if (piece.length > left) after.push(piece.subarray(Math.max(0, left)));
    left = Math.max(0, left - piece.length);
  }
  return [before, after];
}
