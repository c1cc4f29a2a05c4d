import { createCipheriv, createSecretKey } from 'node:crypto';
import { releaseMemory } from '../lib/memory.ts';
import type { DrawRandom } from '../lib/random.ts';
import { SegmentCutter } from './segment-cutter.ts';
import {
  assertFits,
  CIPHER,
  encodeHeader,
  encodePrefix,
  HEADER_BYTES,
  SEGMENT_BYTES,
  type SegmentKey,
  segmentKey,
  TAG_BYTES,
} from './stream-format.ts';
import type { StreamTransform } from './stream-transform.ts';

/** Seals one stream. Fails with `body-too-large` at segment 2^20 + 1. */
export class StreamSealer implements StreamTransform {
  readonly #key: SegmentKey;
  readonly #cutter = new SegmentCutter(SEGMENT_BYTES - HEADER_BYTES - TAG_BYTES, SEGMENT_BYTES - TAG_BYTES);
  #out: Buffer[];
  #segments = 0;
  plaintextBytes = 0;

  /**
   * @param streamKey 32 bytes, which are taken over and overwritten
   * @param jwe the sealed stream key
   * @param draw the source of salt and nonce prefix
   */
  constructor(streamKey: Buffer, jwe: string, draw: DrawRandom) {
    const header = encodeHeader(draw(HEADER_BYTES - 1));
    const key = segmentKey(createSecretKey(streamKey), header);
    streamKey.fill(0);
    if (!key) throw new TypeError('our own stream header has another form');
    this.#key = key;
    this.#out = [encodePrefix(jwe), header];
  }

  push(chunk: Buffer): readonly Buffer[] {
    this.plaintextBytes += chunk.length;
    this.#cutter.push(chunk, (pieces) => this.#seal(pieces, false));
    // No byte is sent before a segment is: prefix and header alone say nothing.
    return this.#segments === 0 ? [] : this.#take();
  }

  end(): readonly Buffer[] {
    this.#seal(this.#cutter.last(), true);
    return this.#take();
  }

  #seal(pieces: readonly Buffer[], isLast: boolean): void {
    const nonce = this.#key.nonce(this.#segments, isLast);
    this.#segments += 1;
    assertFits(this.#segments);
    const cipher = createCipheriv(CIPHER, this.#key.key, nonce);
    for (const piece of pieces) {
      this.#out.push(cipher.update(piece));
      releaseMemory(piece);
    }
    cipher.final();
    this.#out.push(cipher.getAuthTag());
  }

  #take(): readonly Buffer[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}
