import { createHmac, timingSafeEqual } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import type { JsonSafeText } from '../lib/json-safe.ts';
import { type GcmParts, openGcm, sealGcm, undecryptable } from './aes-gcm.ts';
import { decodeBase64Url } from './base64.ts';
import type { DataKey } from './data-key.ts';
import {
  encodeHeader,
  type HeaderTemplate,
  type JweHeader,
  type JweType,
  malformed,
  parseHeader,
} from './jwe-header.ts';
import type { KekRef } from './kek-ref.ts';
import { bytesOfMessage, ciphertextBytesIn, decodeSealed, type ParseAt, PartMemory } from './sealed-text.ts';
import { isEncryptedKeyLength } from './wrap-algorithms.ts';

/**
 * A well-formed message. No part of it is authenticated yet. `aad` has the bytes of its first
 * segment (RFC 7516 §5.1, step 14).
 */
export interface Jwe extends GcmParts {
  readonly header: JweHeader;
  /**
   * The key version that `header.kid` names. It is matched against the registry; its URL is never
   * called.
   */
  readonly kek: KekRef;
  readonly encryptedKey: string;
}

/** A data key that seals, with its header. */
export interface SealingKey {
  readonly dataKey: DataKey;
  readonly header: HeaderTemplate;
}

/**
 * Returns a message in JWE Compact Serialization (RFC 7516 §7.1). `iv` must be new to this data
 * key.
 */
export function sealJwe(key: SealingKey, iv: Buffer, plaintext: Uint8Array, context: Buffer | undefined): JsonSafeText {
  const { start, aad } = startOf(key, context);
  return sealGcm(key.dataKey.cek, start, aad, iv, plaintext);
}

/** The text of a message before its IV, with the bytes of the protected header. */
export interface MessageStart {
  readonly start: string;
  readonly aad: Buffer;
}

/** Returns what the messages of a data key and a context have in common. */
export function startOf({ dataKey, header }: SealingKey, context: Buffer | undefined): MessageStart {
  const ctx = context && contextMac(dataKey, context);
  const protectedHeader = encodeHeader(header, ctx);
  return {
    start: `${protectedHeader}.${dataKey.encryptedKey}.`,
    aad: ctx === undefined ? header.aad : Buffer.from(protectedHeader, 'latin1'),
  };
}

/**
 * Returns the parsed message. Checks the form: five segments of canonical base64url, our header,
 * every length.
 * @throws ServiceError `malformed-ciphertext`
 */
export function parseJwe(text: string, typ: JweType): Jwe {
  const bytes = bytesOfMessage(text);
  return jweParser(typ)(bytes, 0, bytes.length);
}

/**
 * Returns the same for many messages. Those of one data key without a context share the first two
 * segments: they are parsed again only if they differ from the last.
 */
export function jweParser(typ: JweType): ParseAt<Jwe> {
  const memory = new PartMemory();
  let last: KeyPart | undefined;
  return (text, start, end) => {
    const key = last && isStartOf(text, start, end, last) ? last : keyPartOf(text, start, end, typ);
    const sealedAt = start + key.text.length;
    const at = decodeSealed(text, sealedAt, end, memory);
    if (key.encryptedKeyBytes === undefined || at === undefined) throw faultOf(text.toString('latin1', start, end));
    if (!isEncryptedKeyLength(key.header.alg, key.encryptedKeyBytes)) {
      throw malformed('the length of the encrypted key does not match its algorithm');
    }
    last = key;
    const { header, kek, encryptedKey, aad } = key;
    return {
      header,
      kek,
      encryptedKey,
      aad,
      bytes: memory.bytes,
      at,
      ciphertextBytes: ciphertextBytesIn(end - sealedAt),
    };
  };
}

/** The first two segments of a message. */
interface KeyPart extends Pick<Jwe, 'header' | 'kek' | 'encryptedKey' | 'aad'> {
  /** Both with their dots. */
  readonly text: Buffer;
  /** Undefined if it is not canonical base64url. */
  readonly encryptedKeyBytes: number | undefined;
}

/** Returns the first two segments of a text that has five. */
function keyPartOf(text: Buffer, start: number, end: number, typ: JweType): KeyPart {
  const [keyAt = end, sealedAt = end] = fiveSegments(text, start, end);
  const { header, kek } = parseHeader(text.toString('latin1', start, keyAt - 1));
  if (header.typ !== typ) throw malformed(`typ is ${header.typ}, expected ${typ}`);
  const encryptedKey = text.toString('latin1', keyAt, sealedAt - 1);
  const encryptedKeyBytes = decodeBase64Url(encryptedKey)?.length;
  const both = Buffer.from(text.subarray(start, sealedAt));
  return { header, kek, encryptedKey, aad: both.subarray(0, keyAt - 1 - start), text: both, encryptedKeyBytes };
}

const isStartOf = (text: Buffer, start: number, end: number, key: KeyPart): boolean =>
  start + key.text.length <= end && text.compare(key.text, 0, key.text.length, start, start + key.text.length) === 0;

/** Returns the reason that a text is no message, though its header is one's. */
function faultOf(text: string): ServiceError {
  const bytes = Buffer.from(text, 'latin1');
  const starts = fiveSegments(bytes, 0, bytes.length);
  const segments = starts.map((at, index) => text.slice(at, (starts[index + 1] ?? text.length + 1) - 1));
  const isCanonical = segments.every((segment) => decodeBase64Url(segment) !== undefined);
  return isCanonical
    ? malformed('the IV must have 12 bytes and the tag 16')
    : malformed('a segment is not canonical base64url');
}

/**
 * Opens a message with its data key: first the context, then the AEAD.
 *
 * @throws ServiceError `context-mismatch`, `undecryptable`
 */
export function openJwe(dataKey: DataKey, jwe: Jwe, context: Buffer | undefined): Buffer {
  assertKeyAndContext(dataKey, jwe, context);
  return openGcm(dataKey.cek, jwe);
}

/**
 * Checks a message's header against its data key and the context.
 * @throws ServiceError `context-mismatch`, `undecryptable`
 */
export function assertKeyAndContext(
  dataKey: DataKey,
  { header }: Pick<Jwe, 'header'>,
  context: Buffer | undefined,
): void {
  if (dataKey.commitment !== header.kc) throw undecryptable();
  if (isSameContext(dataKey, header.ctx, context)) return;
  throw new ServiceError('context-mismatch', 'The message was encrypted with another encryption context', {
    errors: [{ pointer: '/encryptionContext', detail: 'differs from the one used to encrypt the message' }],
  });
}

function isSameContext(dataKey: DataKey, ctx: string | undefined, context: Buffer | undefined): boolean {
  if (ctx === undefined || context === undefined) return ctx === undefined && context === undefined;
  return timingSafeEqual(Buffer.from(ctx), Buffer.from(contextMac(dataKey, context)));
}

const contextMac = (dataKey: DataKey, context: Buffer): string =>
  createHmac('sha256', dataKey.contextKey).update(context).digest('base64url');

const DOT = 0x2e;

/**
 * Returns the places of the second to the fifth segment. Not by `split`: a text of a million dots
 * must not become a million strings.
 * @throws ServiceError `malformed-ciphertext`
 */
function fiveSegments(text: Buffer, start: number, end: number): readonly number[] {
  const starts: number[] = [];
  for (let dot = text.indexOf(DOT, start); dot !== -1 && dot < end; dot = text.indexOf(DOT, dot + 1)) {
    starts.push(dot + 1);
    if (starts.length > 4) break;
  }
  if (starts.length !== 4) throw malformed('a JWE must have five segments');
  return starts;
}
