import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import { undecryptable } from './aes-gcm.ts';
import { malformed } from './jwe-header.ts';

const INDEX_KEY_BYTES = 64;
const TOKEN_KEY_BYTES = 32;
const TOKEN_INFO = 'vaultspan index 1\n';
const DETERMINISTIC_INFO = 'vaultspan deterministic 1\n';
/** AES-256-SIV (RFC 5297 §2.2): half of the key is for S2V, half for CTR. */
const SIV_CIPHER = 'aes-256-siv';
const SIV_KEY_BYTES = 64;
const SIV_BYTES = 16;
/**
 * Tink's prefix of a keyset entry: 0x01 and the key's id, 4 bytes big-endian; ours is the version.
 */
const TINK_MARK = 0x01;
const PREFIX_BYTES = 5;
export const MAX_VERSION = 0xffff_ffff;
/** Name of an index. */
export const INDEX_NAME: RegExp = /^[A-Za-z0-9_-]{1,64}$/;

/** How a value is normalised before its token is made. */
export type Normalize = 'none' | 'nfc';

/**
 * The keys that are derived from one version of an index key; their bytes are in KeyObjects only.
 */
export interface IndexKey {
  readonly version: number;
  readonly tokenKey: KeyObject;
  readonly deterministicKey: KeyObject;
}

/**
 * Returns both keys of an index key and overwrites its 64 bytes. `name` is the index's,
 * `[A-Za-z0-9_-]{1,64}`.
 */
export function indexKeyFrom(bytes: Uint8Array, name: string, version: number): IndexKey {
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION)
    throw new RangeError('no version of an index');
  if (bytes.length !== INDEX_KEY_BYTES) throw new RangeError('an index key has 64 bytes');
  try {
    return {
      version,
      tokenKey: derived(bytes, TOKEN_INFO + name, TOKEN_KEY_BYTES),
      deterministicKey: derived(bytes, DETERMINISTIC_INFO + name, SIV_KEY_BYTES),
    };
  } finally {
    bytes.fill(0);
  }
}

/** Returns the output of HKDF-SHA256 (RFC 5869) without a salt. */
function derived(key: Uint8Array, info: string, length: number): KeyObject {
  const bytes = Buffer.from(hkdfSync('sha256', key, '', info, length));
  try {
    return createSecretKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

/**
 * Returns the token of a value: base64url of the first `bits` (32 to 256, a multiple of 8) of an
 * HMAC-SHA-256.
 * @throws ServiceError `malformed-request` if `nfc` cannot normalise the value
 */
export function indexToken(key: IndexKey, bits: number, normalize: Normalize, value: Uint8Array): string {
  const hmac = createHmac('sha256', key.tokenKey).update(normalize === 'nfc' ? normalized(value) : value);
  return hmac.digest().toString('base64url', 0, bits / 8);
}

/**
 * Code points that this process's Unicode version has not assigned: their normal form may still
 * change.
 */
const UNASSIGNED = /\p{Cn}/u;

function normalized(value: Uint8Array): Buffer {
  const text = utf8(value);
  if (text === undefined) throw notNormalizable('is not UTF-8');
  if (UNASSIGNED.test(text)) throw notNormalizable('has an unassigned code point, whose NFC is not stable');
  return Buffer.from(text.normalize('NFC'), 'utf8');
}

function utf8(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return undefined;
  }
}

const notNormalizable = (detail: string): ServiceError =>
  new ServiceError('malformed-request', `A value of this index ${detail}`, { errors: [{ pointer: '', detail }] });

/**
 * Returns the encrypted value; equal values give equal ciphertexts. The format is Tink's AES-SIV
 * with its TINK prefix, in base64url. It is RFC 5297 with exactly one associated-data string, the
 * canonical context, or an empty string without one: no string at all would give another SIV.
 */
export function sealDeterministic(key: IndexKey, value: Uint8Array, context: Uint8Array | undefined): string {
  const cipher = createCipheriv(SIV_CIPHER, key.deterministicKey, null) as unknown as AeadCipher;
  cipher.setAAD(context ?? EMPTY);
  const ciphertext = cipher.update(value);
  cipher.final();
  const sealed = Buffer.alloc(PREFIX_BYTES + SIV_BYTES + ciphertext.length);
  sealed[0] = TINK_MARK;
  sealed.writeUInt32BE(key.version, 1);
  cipher.getAuthTag().copy(sealed, PREFIX_BYTES);
  ciphertext.copy(sealed, PREFIX_BYTES + SIV_BYTES);
  return sealed.toString('base64url');
}

/**
 * Returns the version that a deterministic value names. It is not authenticated: it selects the
 * key, and any other key fails to open.
 * @throws ServiceError `malformed-ciphertext`
 */
export function deterministicVersion(sealed: Buffer): number {
  if (sealed.length < PREFIX_BYTES + SIV_BYTES) throw malformed('a deterministic value has at least 21 bytes');
  if (sealed[0] !== TINK_MARK) throw malformed('a deterministic value begins with 0x01');
  return sealed.readUInt32BE(1);
}

/**
 * Opens a value of exactly this version.
 * @throws ServiceError `undecryptable`
 */
export function openDeterministic(key: IndexKey, sealed: Buffer, context: Uint8Array | undefined): Buffer {
  if (deterministicVersion(sealed) !== key.version) throw undecryptable();
  const decipher = createDecipheriv(SIV_CIPHER, key.deterministicKey, null) as unknown as AeadDecipher;
  decipher.setAuthTag(sealed.subarray(PREFIX_BYTES, PREFIX_BYTES + SIV_BYTES));
  decipher.setAAD(context ?? EMPTY);
  try {
    const value = decipher.update(sealed.subarray(PREFIX_BYTES + SIV_BYTES));
    decipher.final();
    return value;
  } catch (cause) {
    throw undecryptable(cause);
  }
}

const EMPTY = Buffer.alloc(0);

/**
 * Node's types have the AEAD members for the modes that they list; SIV, an OpenSSL mode, is not
 * among them.
 */
interface AeadCipher {
  setAAD(data: Uint8Array): void;
  update(data: Uint8Array): Buffer;
  final(): Buffer;
  getAuthTag(): Buffer;
}

interface AeadDecipher extends Omit<AeadCipher, 'getAuthTag'> {
  setAuthTag(tag: Uint8Array): void;
}
