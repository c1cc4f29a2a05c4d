import { createHmac, timingSafeEqual } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import type { JsonSafe } from '../lib/json-safe.ts';
import { openGcm, sealGcm, TAG_BYTES, undecryptable } from './aes-gcm.ts';
import { decodeBase64Url } from './base64.ts';
import type { DataKey } from './data-key.ts';
import { IV_BYTES } from './iv-pool.ts';
import {
  encodeHeader,
  type HeaderTemplate,
  type JweHeader,
  type JweType,
  malformed,
  parseHeader,
} from './jwe-header.ts';
import type { KekRef } from './kek-ref.ts';
import { isEncryptedKeyLength } from './wrap-algorithms.ts';

/** A well-formed message. No part of it is authenticated yet. */
export interface Jwe {
  readonly header: JweHeader;
  /**
   * The key version that `header.kid` names. It is matched against the registry; its URL is never
   * called.
   */
  readonly kek: KekRef;
  /** The first segment, which is the additional authenticated data (RFC 7516 §5.1, step 14). */
  readonly protectedHeader: string;
  readonly encryptedKey: string;
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
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
export function sealJwe(key: SealingKey, iv: Buffer, plaintext: Uint8Array, context: Buffer | undefined): JsonSafe {
  const { dataKey } = key;
  const ctx = context && contextMac(dataKey, context);
  const protectedHeader = encodeHeader(key.header, ctx);
  return sealGcm(dataKey.cek, protectedHeader, dataKey.encryptedKey, iv, plaintext);
}

/**
 * Returns the parsed message. Checks the form: five segments of canonical base64url, our header,
 * every length.
 * @throws ServiceError `malformed-ciphertext`
 */
export function parseJwe(text: string, typ: JweType): Jwe {
  const segments = fiveSegments(text);
  if (!segments) throw malformed('a JWE must have five segments');
  const [protectedHeader, encryptedKey, ivText, ciphertextText, tagText] = segments;
  const { header, kek } = parseHeader(protectedHeader);
  if (header.typ !== typ) throw malformed(`typ is ${header.typ}, expected ${typ}`);
  const encryptedKeyBytes = decodeBase64Url(encryptedKey);
  const iv = decodeBase64Url(ivText);
  const ciphertext = decodeBase64Url(ciphertextText);
  const tag = decodeBase64Url(tagText);
  if (!encryptedKeyBytes || !iv || !ciphertext || !tag) throw malformed('a segment is not canonical base64url');
  if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) throw malformed('the IV must have 12 bytes and the tag 16');
  if (!isEncryptedKeyLength(header.alg, encryptedKeyBytes.length)) {
    throw malformed('the length of the encrypted key does not match its algorithm');
  }
  return { header, kek, protectedHeader, encryptedKey, iv, ciphertext, tag };
}

/**
 * Opens a message with its data key: first the context, then the AEAD.
 *
 * @throws ServiceError `context-mismatch`, `undecryptable`
 */
export function openJwe(dataKey: DataKey, jwe: Jwe, context: Buffer | undefined): Buffer {
  if (dataKey.commitment !== jwe.header.kc) throw undecryptable();
  if (!isSameContext(dataKey, jwe.header.ctx, context)) {
    throw new ServiceError('context-mismatch', 'The message was encrypted with another encryption context', {
      errors: [{ pointer: '/encryptionContext', detail: 'differs from the one used to encrypt the message' }],
    });
  }
  return openGcm(dataKey.cek, jwe);
}

function isSameContext(dataKey: DataKey, ctx: string | undefined, context: Buffer | undefined): boolean {
  if (ctx === undefined || context === undefined) return ctx === undefined && context === undefined;
  return timingSafeEqual(Buffer.from(ctx), Buffer.from(contextMac(dataKey, context)));
}

const contextMac = (dataKey: DataKey, context: Buffer): string =>
  createHmac('sha256', dataKey.contextKey).update(context).digest('base64url');

/** Not `split`: a text of a million dots must not become a million strings. */
function fiveSegments(text: string): [string, string, string, string, string] | undefined {
  const a = text.indexOf('.');
  const b = text.indexOf('.', a + 1);
  const c = text.indexOf('.', b + 1);
  const d = text.indexOf('.', c + 1);
  if (a < 0 || b <= a || c <= b || d <= c || text.includes('.', d + 1)) return undefined;
  return [text.slice(0, a), text.slice(a + 1, b), text.slice(b + 1, c), text.slice(c + 1, d), text.slice(d + 1)];
}
