import type * as Crypto from 'node:crypto';
import { VaultspanError } from '../errors.ts';

/**
 * Compact messages (the service's docs/formats.md): JWE Compact Serialization with `alg: dir` (RFC 7518 §4.5) and
 * exactly the header `{"alg":"dir","enc":"A256GCM","kid":"K"}`. K is base64url of a branch id (8 bytes) and a leaf salt
 * (8 bytes), whose first bit says that the leaf is a lease's.
 */
export const HEADER_CHARACTERS = 80;
/** Base64url of `{"alg":"dir","enc":"A256GCM","kid":"`. */
const HEADER_START = 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoi';
const SALT_AT = 8;
const LEASE_BIT = 0x80;
const KEY_BYTES = 32;
const IV_BYTES = 12;
const IV_CHARACTERS = 16;
const TAG_BYTES = 16;
const TAG_CHARACTERS = 22;
const POOLED_IVS = 256;
/** Content keys are kept in two generations of so many. */
const KEPT_CONTEXTS = 64;
const BASE64URL = /^[\w.-]*$/;
/** Last characters of canonical base64url by its length modulo 4: their spare bits are zero. Empty where there are none. */
const ENDS = ['', undefined, 'AQgw', 'AEIMQUYcgkosw048'];

/** Node's crypto: found at run time, so that bundles for other runtimes have no import that fails there. */
export type NodeCrypto = typeof Crypto;

/** Returns Node's crypto, or undefined in another runtime, where everything goes by the service. */
export function nodeCrypto(): NodeCrypto | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(id: string): unknown } };
  return process?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined;
}

/** Returns the encoded header of a leaf, 80 characters. */
export function headerOf(kid: string): string {
  return HEADER_START + Buffer.from(`${kid}"}`).toString('base64url');
}

/** Returns the header of a compact message whose leaf is a lease's, or undefined for any other text. */
export function leasedHeader(ciphertext: string): string | undefined {
  if (!ciphertext.startsWith(HEADER_START)) return undefined;
  const kid = Buffer.from(ciphertext.slice(HEADER_START.length, HEADER_CHARACTERS), 'base64url').toString('latin1');
  const isLease = ((Buffer.from(kid.slice(0, 22), 'base64url')[SALT_AT] ?? 0) & LEASE_BIT) !== 0;
  return isLease ? ciphertext.slice(0, HEADER_CHARACTERS) : undefined;
}

/** The key of one leaf: seals and opens messages, in one process. */
export class Leaf {
  readonly kid: string;
  readonly header: string;
  readonly #crypto: NodeCrypto;
  readonly #key: Buffer;
  readonly #aad: Buffer;
  /** Content keys of contexts that come again: when the young ones are many, they become the old ones. */
  #young = new ContentKeys();
  #old = new ContentKeys();
  #ivs: Buffer | undefined;
  /** The IVs in base64url: 12 bytes are 16 characters. */
  #ivTexts = '';
  #ivAt = POOLED_IVS;
  #isDropped = false;

  /** Takes the 32 bytes of the key over, and overwrites them in `drop`. */
  constructor(crypto: NodeCrypto, kid: string, key: Buffer) {
    this.#crypto = crypto;
    this.kid = kid;
    this.header = headerOf(kid);
    this.#key = key;
    this.#aad = Buffer.from(this.header, 'latin1');
  }

  /** Returns the message of bytes; `context` is canonical, empty for none. */
  seal(plaintext: Uint8Array, context: string): string {
    const [iv, ivText] = this.#nextIv();
    const cipher = this.#crypto.createCipheriv('aes-256-gcm', this.#contentKey(context), iv);
    cipher.setAAD(this.#aad);
    const sealed = cipher.update(plaintext);
    cipher.final();
    return `${this.header}..${ivText}.${sealed.toString('base64url')}.${cipher.getAuthTag().toString('base64url')}`;
  }

  /**
   * Returns what a message with this leaf's header holds.
   * @throws VaultspanError `malformed-ciphertext`, `undecryptable`
   */
  open(message: string, context: string): Buffer {
    const ivEnd = HEADER_CHARACTERS + 2 + IV_CHARACTERS;
    const tagDot = message.length - TAG_CHARACTERS - 1;
    const isFormed = message.startsWith('..', HEADER_CHARACTERS) && message[ivEnd] === '.' && tagDot > ivEnd && message[tagDot] === '.';
    if (!isFormed || !BASE64URL.test(message)) throw malformed();
    const iv = decode(message.slice(HEADER_CHARACTERS + 2, ivEnd));
    const sealed = decode(message.slice(ivEnd + 1, tagDot));
    const tag = decode(message.slice(tagDot + 1));
    if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) throw malformed();
    const decipher = this.#crypto.createDecipheriv('aes-256-gcm', this.#contentKey(context), iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#aad).setAuthTag(tag);
    const plaintext = decipher.update(sealed);
    try {
      decipher.final();
      return plaintext;
    } catch {
      plaintext.fill(0);
      throw new VaultspanError({
        code: 'undecryptable',
        status: 422,
        message: 'undecryptable: the ciphertext was altered, or its encryption context is another one',
      });
    }
  }

  /** Whether the keys were overwritten: the leaf seals and opens nothing any more. */
  get isDropped(): boolean {
    return this.#isDropped;
  }

  /** Overwrites the keys. */
  drop(): void {
    this.#isDropped = true;
    this.#key.fill(0);
    this.#young.overwrite();
    this.#old.overwrite();
  }

  /** CEK = HKDF-Expand-SHA256(LK, "vaultspan 2 context" LF context, 32): one block is one HMAC (RFC 5869 §2.3). */
  #contentKey(context: string): Buffer {
    if (this.#isDropped) throw new TypeError('The key of this leaf was dropped');
    const kept = this.#young.get(context) ?? this.#old.get(context);
    if (kept !== undefined) return kept;
    if (this.#young.isFull) {
      this.#old.overwrite();
      [this.#young, this.#old] = [this.#old, this.#young];
    }
    const contentKey = this.#crypto.createHmac('sha256', this.#key).update(`vaultspan 2 context\n${context}\x01`).digest();
    return this.#young.add(context, contentKey);
  }

  /** Returns an IV that was never used, and its base64url. A leaf that only opens draws none. */
  #nextIv(): readonly [Buffer, string] {
    this.#ivs ??= Buffer.alloc(POOLED_IVS * IV_BYTES);
    if (this.#ivAt === POOLED_IVS) {
      this.#crypto.randomFillSync(this.#ivs);
      this.#ivTexts = this.#ivs.toString('base64url');
      this.#ivAt = 0;
    }
    const at = this.#ivAt;
    this.#ivAt += 1;
    const iv = this.#ivs.subarray(at * IV_BYTES, (at + 1) * IV_BYTES);
    return [iv, this.#ivTexts.slice(at * IV_CHARACTERS, (at + 1) * IV_CHARACTERS)];
  }
}

/** Keys by context, in one piece of memory: a buffer each would outlive many collections of garbage. */
class ContentKeys {
  readonly #places = new Map<string, number>();
  #bytes: Buffer | undefined;

  get isFull(): boolean {
    return this.#places.size === KEPT_CONTEXTS;
  }

  get(context: string): Buffer | undefined {
    const place = this.#places.get(context);
    return place === undefined ? undefined : this.#bytes?.subarray(place, place + KEY_BYTES);
  }

  /** Takes a key over, whose own bytes are overwritten. Returns where it is kept. */
  add(context: string, key: Buffer): Buffer {
    this.#bytes ??= Buffer.alloc(KEPT_CONTEXTS * KEY_BYTES);
    const place = this.#places.size * KEY_BYTES;
    this.#places.set(context, place);
    key.copy(this.#bytes, place);
    key.fill(0);
    return this.#bytes.subarray(place, place + KEY_BYTES);
  }

  overwrite(): void {
    this.#places.clear();
    this.#bytes?.fill(0);
  }
}

/**
 * Returns the bytes of canonical base64url, whose alphabet was looked at: another spelling of the same bytes, by spare
 * bits that are not zero (RFC 4648 §3.5), would be another ciphertext.
 */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  const ends = ENDS[text.length % 4];
  const isWhole = ends !== undefined && bytes.length === (text.length * 3) >> 2;
  if (!isWhole || (ends !== '' && !ends.includes(text.charAt(text.length - 1)))) throw malformed();
  return bytes;
}

function malformed(): VaultspanError {
  return new VaultspanError({
    code: 'malformed-ciphertext',
    status: 400,
    message: 'malformed-ciphertext: the text is no compact message: store and send it unchanged',
  });
}
