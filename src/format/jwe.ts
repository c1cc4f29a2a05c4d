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
  /** Its bytes. */
  readonly aad: Buffer;
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
  const aad = ctx === undefined ? key.header.aad : undefined;
  return sealGcm(dataKey.cek, protectedHeader, dataKey.encryptedKey, iv, plaintext, aad);
}

/**
 * Returns the parsed message. Checks the form: five segments of canonical base64url, our header,
 * every length.
 * @throws ServiceError `malformed-ciphertext`
 */
export const parseJwe = (text: string, typ: JweType): Jwe => jweParser(typ)(text);

/**
 * Returns the same for many messages. Those of one data key without a context share the first two
 * segments, which are a third of the work: they are parsed again only if they differ from the last.
 */
export function jweParser(typ: JweType): (text: string) => Jwe {
  let last: KeyPart | undefined;
  return (text) => {
    const known = last && isStartOf(text, last) ? last : undefined;
    const segments = fiveSegments(text, known);
    if (!segments) throw malformed('a JWE must have five segments');
    const [protectedHeader, encryptedKey, ivText, ciphertextText, tagText] = segments;
    const start = known ?? keyPartOf(protectedHeader, encryptedKey, typ);
    const iv = decodeBase64Url(ivText);
    const ciphertext = decodeBase64Url(ciphertextText);
    const tag = decodeBase64Url(tagText);
    if (start.encryptedKeyBytes === undefined || !iv || !ciphertext || !tag) {
      throw malformed('a segment is not canonical base64url');
    }
    if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) throw malformed('the IV must have 12 bytes and the tag 16');
    if (!isEncryptedKeyLength(start.header.alg, start.encryptedKeyBytes)) {
      throw malformed('the length of the encrypted key does not match its algorithm');
    }
    last = start;
    const { header, kek } = start;
    return {
      header,
      kek,
      aad: start.aad,
      protectedHeader: start.protectedHeader,
      encryptedKey: start.encryptedKey,
      iv,
      ciphertext,
      tag,
    };
  };
}

function keyPartOf(protectedHeader: string, encryptedKey: string, typ: JweType): KeyPart {
  const { header, kek } = parseHeader(protectedHeader);
  if (header.typ !== typ) throw malformed(`typ is ${header.typ}, expected ${typ}`);
  const encryptedKeyBytes = decodeBase64Url(encryptedKey)?.length;
  const aad = Buffer.from(protectedHeader, 'latin1');
  return { header, kek, protectedHeader, aad, encryptedKey, encryptedKeyBytes };
}

/** The first two segments of a message. */
interface KeyPart extends Pick<Jwe, 'header' | 'kek' | 'protectedHeader' | 'aad' | 'encryptedKey'> {
  /** Undefined if it is not canonical base64url. */
  readonly encryptedKeyBytes: number | undefined;
}

/** Compares slices, which takes a tenth of what `startsWith` takes for so many letters. */
function isStartOf(text: string, { protectedHeader, encryptedKey }: KeyPart): boolean {
  const keyAt = protectedHeader.length + 1;
  const keyEnd = keyAt + encryptedKey.length;
  const hasDots = text[keyAt - 1] === '.' && text[keyEnd] === '.';
  return hasDots && text.slice(0, keyAt - 1) === protectedHeader && text.slice(keyAt, keyEnd) === encryptedKey;
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
function fiveSegments(
  text: string,
  known: Pick<KeyPart, 'protectedHeader' | 'encryptedKey'> | undefined,
): readonly [string, string, string, string, string] | undefined {
  const a = known ? known.protectedHeader.length : text.indexOf('.');
  const b = known ? a + 1 + known.encryptedKey.length : text.indexOf('.', a + 1);
  const c = text.indexOf('.', b + 1);
  const d = text.indexOf('.', c + 1);
  if (a < 0 || b <= a || c <= b || d <= c || text.includes('.', d + 1)) return undefined;
  const { protectedHeader = text.slice(0, a), encryptedKey = text.slice(a + 1, b) } = known ?? {};
  return [protectedHeader, encryptedKey, text.slice(b + 1, c), text.slice(c + 1, d), text.slice(d + 1)];
}
