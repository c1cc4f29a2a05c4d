import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import { malformed } from './jwe-header.ts';

/**
 * A stream is `VSPN1\n` ‖ 4-byte big-endian n ‖ n bytes of JWE, whose payload is the stream key ‖
 * Tink's AES256_GCM_HKDF_1MB wire format
 * (https://developers.google.com/tink/wire-format#streaming_aead) with those first six bytes as
 * associated data.
 */
const MAGIC = Buffer.from('VSPN1\n', 'latin1');
const PREFIX_BYTES = MAGIC.length + 4;
const MIN_JWE_BYTES = 64;
const MAX_JWE_BYTES = 4_096;

export const CIPHER = 'aes-256-gcm';
export const STREAM_KEY_BYTES = 32;
export const TAG_BYTES = 16;
const SALT_BYTES = 32;
const NONCE_PREFIX_BYTES = 7;
/** Bytes of Tink's header: its own length, salt, nonce prefix. */
export const HEADER_BYTES = 1 + SALT_BYTES + NONCE_PREFIX_BYTES;
/** Bytes of ciphertext with its tag; the first segment contains the header too. */
export const SEGMENT_BYTES = 1_048_576;
const MAX_SEGMENTS = 2 ** 20;

/** Returns the beginning of a stream, before Tink's part. `jwe` is ASCII. */
export function encodePrefix(jwe: string): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES + jwe.length);
  MAGIC.copy(prefix);
  prefix.writeUInt32BE(jwe.length, MAGIC.length);
  prefix.write(jwe, PREFIX_BYTES, 'latin1');
  return prefix;
}

export interface StreamPrefix {
  readonly jwe: string;
  /** Length of the whole prefix. */
  readonly bytes: number;
}

/**
 * Returns the prefix of these bytes, or undefined while there are too few.
 * @throws ServiceError `malformed-ciphertext`
 */
export function decodePrefix(start: Buffer): StreamPrefix | undefined {
  const known = Math.min(start.length, MAGIC.length);
  if (!start.subarray(0, known).equals(MAGIC.subarray(0, known))) throw malformed('a stream must begin with VSPN1');
  if (start.length < PREFIX_BYTES) return undefined;
  const length = start.readUInt32BE(MAGIC.length);
  if (length < MIN_JWE_BYTES || length > MAX_JWE_BYTES) throw malformed('the header must have 64 to 4,096 bytes');
  const bytes = PREFIX_BYTES + length;
  return start.length < bytes ? undefined : { jwe: start.toString('latin1', PREFIX_BYTES, bytes), bytes };
}

/**
 * Returns the length of the stream of a plaintext.
 * @throws ServiceError `body-too-large`
 */
export function sealedLength(jwe: string, plaintextBytes: number): number {
  const segments = Math.max(1, Math.ceil((plaintextBytes + HEADER_BYTES) / (SEGMENT_BYTES - TAG_BYTES)));
  assertFits(segments);
  return PREFIX_BYTES + jwe.length + HEADER_BYTES + plaintextBytes + segments * TAG_BYTES;
}

/**
 * Returns the length of the plaintext in a stream of this length, prefix included.
 * @throws ServiceError `malformed-ciphertext` if no stream has this length, `body-too-large`
 */
export function openedLength(prefix: StreamPrefix, streamBytes: number): number {
  const bytes = streamBytes - prefix.bytes;
  const segments = Math.max(1, Math.ceil(bytes / SEGMENT_BYTES));
  assertFits(segments);
  assertSegmentLength(segments - 1, bytes - (segments - 1) * SEGMENT_BYTES);
  return bytes - HEADER_BYTES - segments * TAG_BYTES;
}

/**
 * Checks a segment's length. Only the first may be empty; it contains the header too.
 * @throws ServiceError `malformed-ciphertext`
 */
export function assertSegmentLength(index: number, bytes: number): void {
  const least = index === 0 ? HEADER_BYTES + TAG_BYTES : TAG_BYTES + 1;
  if (bytes < least) throw malformed('the stream is too short');
}

/**
 * Checks the number of segments.
 * @throws ServiceError `body-too-large`
 */
export function assertFits(segments: number): void {
  if (segments <= MAX_SEGMENTS) return;
  throw new ServiceError('body-too-large', 'A stream has at most 2^20 segments of 1 MiB', {
    errors: [{ pointer: '', detail: 'is larger than 2^20 segments' }],
  });
}

/** The key of one stream's segments, and their nonces. */
export interface SegmentKey {
  readonly key: KeyObject;
  nonce(index: number, isLast: boolean): Buffer;
}

/** Returns the segment key of Tink's header of 40 bytes; undefined for any other header. */
export function segmentKey(streamKey: KeyObject, header: Buffer): SegmentKey | undefined {
  if (header.length !== HEADER_BYTES || header[0] !== HEADER_BYTES) return undefined;
  const salt = header.subarray(1, 1 + SALT_BYTES);
  const derived = Buffer.from(hkdfSync('sha256', streamKey, salt, MAGIC, STREAM_KEY_BYTES));
  const key = createSecretKey(derived);
  derived.fill(0);
  return {
    key,
    nonce: (index, isLast) => {
      const nonce = Buffer.alloc(NONCE_PREFIX_BYTES + 5);
      header.copy(nonce, 0, 1 + SALT_BYTES);
      nonce.writeUInt32BE(index, NONCE_PREFIX_BYTES);
      nonce[NONCE_PREFIX_BYTES + 4] = isLast ? 1 : 0;
      return nonce;
    },
  };
}

/**
 * Returns Tink's header of a new stream.
 * @param random bytes for salt and nonce prefix
 */
export const encodeHeader = (random: Buffer): Buffer => Buffer.concat([Buffer.of(HEADER_BYTES), random]);
