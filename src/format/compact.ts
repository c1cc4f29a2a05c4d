import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { JsonSafeText } from '../lib/json-safe.ts';
import { type Gcm, type GcmKey, type GcmParts, lastingAad, openGcm, sealGcm, TAG_CHARACTERS } from './aes-gcm.ts';
import { decodeBase64Url } from './base64.ts';
import { type JweType, malformed } from './jwe-header.ts';
import {
  bytesOfMessage,
  ciphertextBytesIn,
  decodeSealed,
  IV_CHARACTERS,
  type ParseAt,
  PartMemory,
} from './sealed-text.ts';

/**
 * The compact message: JWE Compact Serialization with `alg: dir` (RFC 7518 §4.5) and an empty
 * encrypted key (RFC 7516 §5.1, step 5). Its header is exactly
 * `{"alg":"dir","enc":"A256GCM","kid":"K"}`, where K is base64url of a branch id (8 bytes) and a
 * leaf salt (8 bytes). The branch key, K, the use, the tenant and the context determine the one key
 * that opens it.
 */
const HEADER_START = '{"alg":"dir","enc":"A256GCM","kid":"';
const HEADER_END = '"}';
const ENCODED_START = Buffer.from(HEADER_START, 'latin1').toString('base64url');
const HEADER_CHARACTERS = 80;
const ID_BYTES = 8;
const KID_BYTES = 2 * ID_BYTES;
/** K and `"}`: 24 bytes, so that the base64url of all parts joins without spare bits. */
const TAIL = /^[A-Za-z0-9_-]{21}[AQgw]"\}$/;
const KID_CHARACTERS = 22;
const BRANCH_ID_CHARACTERS = 11;
const SEALED_AT = HEADER_CHARACTERS + 2;
const DOT = 0x2e;
/** First bit of the leaf salt: set for the leaf of a lease, clear for one of the service. */
const LEASE_BIT = 0x80;

/** The content that a leaf seals: messages, or the headers of streams. */
export type LeafUse = 'message' | 'stream';

/** `typ` of a self-contained message of the same use. */
export const JWE_TYPES: Readonly<Record<LeafUse, JweType>> = {
  message: 'vaultspan+jwe',
  stream: 'vaultspan-stream+jwe',
};

/** The parts of K. */
export interface LeafId {
  /** 22 characters of base64url: the header's `kid`. */
  readonly kid: string;
  /** 8 bytes in base64url, 11 characters. */
  readonly branchId: string;
  readonly isLease: boolean;
}

/**
 * A compact message with a valid form; no part of it is authenticated yet. `aad` has the bytes of
 * its first segment (RFC 7516 §5.1, step 14).
 */
export interface CompactMessage extends GcmParts {
  readonly leaf: LeafId;
}

/**
 * Returns whether the text claims to be a compact message. The self-contained form's rules apply to
 * every other text.
 */
export const isCompact = (text: string): boolean => text.startsWith(ENCODED_START);

/** Returns the same for the text that starts at this place of a buffer. */
export function isCompactAt(text: Buffer, start: number): boolean {
  for (let n = 0; n < ENCODED_START.length; n += 1) {
    if (text[start + n] !== ENCODED_START.charCodeAt(n)) return false;
  }
  return true;
}

/** Returns K of a branch id and a leaf salt, 8 bytes each. */
export function leafIdOf(branchId: Uint8Array, leafSalt: Uint8Array): LeafId {
  const bytes = Buffer.concat([branchId, leafSalt], KID_BYTES);
  return {
    kid: bytes.toString('base64url'),
    branchId: bytes.toString('base64url', 0, ID_BYTES),
    isLease: ((bytes[ID_BYTES] ?? 0) & LEASE_BIT) !== 0,
  };
}

/** The protected header of a leaf's messages, 80 characters, and its bytes. */
export interface CompactHeader {
  readonly text: string;
  readonly aad: Buffer;
}

/** Returns the protected header that names a leaf. */
export function compactHeader(kid: string): CompactHeader {
  const text = Buffer.from(`${HEADER_START}${kid}${HEADER_END}`, 'latin1').toString('base64url');
  return { text, aad: lastingAad(text) };
}

/**
 * Returns the parsed message of a text for which `isCompact` holds. Checks the form: the canonical
 * header, an empty second segment, every length.
 * @throws ServiceError `malformed-ciphertext`
 */
export function parseCompact(text: string): CompactMessage {
  const bytes = bytesOfMessage(text);
  return compactParser()(bytes, 0, bytes.length);
}

/**
 * Returns the same for many messages. Those of one leaf share their header: it is parsed again only
 * if it differs from the last.
 */
export function compactParser(): ParseAt<CompactMessage> {
  const memory = new PartMemory();
  let last: ParsedHeader | undefined;
  return (text, start, end) => {
    const headerEnd = Math.min(start + HEADER_CHARACTERS, end);
    const isLast = last !== undefined && text.compare(last.aad, 0, HEADER_CHARACTERS, start, headerEnd) === 0;
    const header = isLast && last ? last : parseHeader(text.toString('latin1', start, headerEnd));
    const at = parseRest(text, start, end, memory);
    last = header;
    const ciphertextBytes = ciphertextBytesIn(end - start - SEALED_AT);
    return { leaf: header.leaf, aad: header.aad, bytes: memory.bytes, at, ciphertextBytes };
  };
}

type ParsedHeader = Pick<CompactMessage, 'leaf' | 'aad'>;

/** Returns the place of the sealed bytes. */
function parseRest(text: Buffer, start: number, end: number, memory: PartMemory): number {
  const ivEnd = start + SEALED_AT + IV_CHARACTERS;
  if (text[start + HEADER_CHARACTERS] !== DOT || text[start + HEADER_CHARACTERS + 1] !== DOT) {
    throw malformed('the encrypted key of a compact message must be empty');
  }
  if (text[ivEnd] !== DOT) throw malformed('the IV must have 12 bytes');
  const tagDot = end - TAG_CHARACTERS - 1;
  if (tagDot <= ivEnd || text[tagDot] !== DOT) throw malformed('the tag must have 16 bytes');
  const at = decodeSealed(text, start + SEALED_AT, end, memory);
  if (at === undefined) throw malformed('a segment is not canonical base64url');
  return at;
}

function parseHeader(encoded: string): ParsedHeader {
  const tail = encoded.slice(ENCODED_START.length);
  const json = Buffer.from(tail, 'base64url').toString('latin1');
  const isCanonical = TAIL.test(json) && Buffer.from(json, 'latin1').toString('base64url') === tail;
  if (!isCanonical) throw malformed('the header is not in canonical form');
  const kid = json.slice(0, KID_CHARACTERS);
  const bytes = Buffer.from(kid, 'base64url');
  return { leaf: leafIdOf(bytes.subarray(0, ID_BYTES), bytes.subarray(ID_BYTES)), aad: Buffer.from(encoded, 'latin1') };
}

/**
 * Returns LK = HKDF-Expand-SHA256(branch key, "vaultspan 2 leaf" LF use LF tid LF K, 32). The
 * branch key is uniform, so there is nothing to extract (RFC 5869 §3.3), and one block of Expand is
 * one HMAC of the info and 0x01. No field can contain a line feed.
 */
export function deriveLeafKey(branchKey: KeyObject, use: LeafUse, tenantId: string, kid: string): KeyObject {
  const bytes = createHmac('sha256', branchKey).update(`vaultspan 2 leaf\n${use}\n${tenantId}\n${kid}\x01`).digest();
  try {
    return createSecretKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

const CONTEXT_LABEL = Buffer.from('vaultspan 2 context\n', 'latin1');
const BLOCK_ONE = Buffer.of(1);

/**
 * Returns CEK = HKDF-Expand-SHA256(LK, "vaultspan 2 context" LF context, 32); `context` is
 * canonical, undefined for none. The result is a raw buffer, which the caller overwrites after use.
 * A KeyObject for each message costs 1 µs more and leaves native memory to the collector.
 */
export function deriveContentKey(leafKey: KeyObject, context: Uint8Array | undefined): Buffer {
  const hmac = createHmac('sha256', leafKey).update(CONTEXT_LABEL);
  return (context ? hmac.update(context) : hmac).update(BLOCK_ONE).digest();
}

/**
 * A leaf key that is used many times. Its content key without a context is made once, since it
 * costs as much as the sealing of a short message.
 */
export class LeafKey {
  readonly #gcm: Gcm;
  readonly #key: KeyObject;
  #withoutContext: GcmKey | undefined;

  constructor(gcm: Gcm, key: KeyObject) {
    this.#gcm = gcm;
    this.#key = key;
  }

  /** Returns CEK, as `deriveContentKey`; the user releases it. */
  contentKey(context: Uint8Array | undefined): GcmKey {
    if (context) return this.#gcm.keyOfOneUse(deriveContentKey(this.#key, context));
    this.#withoutContext ??= this.#makeWithoutContext();
    return this.#withoutContext;
  }

  #makeWithoutContext(): GcmKey {
    const bytes = deriveContentKey(this.#key, undefined);
    try {
      return this.#gcm.lastingKey(bytes);
    } finally {
      bytes.fill(0);
    }
  }
}

/**
 * Returns a sealed message. `iv` must never have been used with this content key. `header` is
 * `compactHeader` of the leaf.
 */
export const sealCompact = (
  contentKey: GcmKey,
  { text, aad }: CompactHeader,
  iv: Buffer,
  plaintext: Uint8Array,
): JsonSafeText => sealGcm(contentKey, `${text}..`, aad, iv, plaintext);

/**
 * Opens a message with the content key that its leaf and context determine.
 * @throws ServiceError `undecryptable`, also for another context: the format cannot distinguish the
 * two
 */
export const openCompact = (contentKey: GcmKey, message: CompactMessage): Buffer => openGcm(contentKey, message);

/** Returns whether the text is a branch id: canonical base64url of 8 bytes. */
export const isBranchId = (text: string): boolean =>
  text.length === BRANCH_ID_CHARACTERS && decodeBase64Url(text)?.length === ID_BYTES;
