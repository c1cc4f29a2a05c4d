import { ServiceError } from '../../errors.ts';
import { MAX_ITEMS } from '../contract/batch-fields.ts';
import type { Operation } from '../contract/operation.ts';

/**
 * The limits of a JSON body. Plaintexts have a limit of their own: this one bounds the bytes that
 * are held and parsed.
 */
export interface BodyLimit {
  readonly bytes: number;
  /** Bytes of the largest body without escapes: the assumed size of a body of unknown length. */
  readonly usualBytes: number;
  /** Values of the JSON text. */
  readonly values: number;
  /** Advice for a caller with more data. */
  readonly hint: string;
}

export interface BodyLimitOptions {
  readonly maxPlaintextBytes: number;
  readonly maxBufferedBytes: number;
}

/** A record, a key to wrap, or the header of a stream. */
const SMALL_BYTES = 256 * 1_024;
/**
 * A message's bytes besides its plaintext: the JWE's header and key (at most 2.8 KiB), the context
 * (4 KiB in canonical form) and JSON.
 */
const MESSAGE_BYTES = 16 * 1_024;
/** The same for an item, on average over a batch. */
const ITEM_BYTES = 8 * 1_024;
/**
 * A letter may be written as `\u0061` (RFC 8259 §7), and .NET's serializer writes "+" like that.
 */
const LONGEST_ESCAPE = 6;
const STREAMS_HINT = '; POST /tenants/{tenantId}/streams/encrypt and /streams/decrypt accept data of any size';
/** A body that is read without a token: anybody may hold so much of the memory for bodies. */
const STRANGERS_BYTES = 16 * 1_024;
const SMALL_VALUES = 10_000;
/** An item with a full context has 64 values in it, and a few more. */
const ITEM_VALUES = 100;

/**
 * Returns the limits of an operation's body. They follow from its content, not from its JSON. A
 * plaintext of the largest size passes however its JSON is escaped, and encrypt's answer to a batch
 * can be sent to decrypt and rewrap.
 */
export function bodyLimitOf(
  { maxPlaintextBytes, maxBufferedBytes }: BodyLimitOptions,
  { carries, role }: Pick<Operation, 'carries' | 'role'>,
): BodyLimit {
  if (carries === undefined) {
    const bytes = role === undefined ? STRANGERS_BYTES : SMALL_BYTES;
    return { bytes, usualBytes: bytes, values: SMALL_VALUES, hint: '' };
  }
  const isBatch = carries === 'batch';
  const base64Bytes = 4 * Math.ceil(maxPlaintextBytes / 3);
  const others = MESSAGE_BYTES + (isBatch ? MAX_ITEMS * ITEM_BYTES : 0);
  return {
    bytes: Math.min(LONGEST_ESCAPE * base64Bytes + others, maxBufferedBytes),
    usualBytes: base64Bytes + MESSAGE_BYTES,
    values: isBatch ? MAX_ITEMS * ITEM_VALUES : SMALL_VALUES,
    hint: isBatch ? '; send several batches' : STREAMS_HINT,
  };
}

export const bodyTooLarge = ({ bytes, hint }: BodyLimit): ServiceError =>
  new ServiceError('body-too-large', `The body may have at most ${bytes} bytes${hint}`, {
    errors: [{ pointer: '', detail: `is larger than ${bytes} bytes` }],
  });
