import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { compactHeader, openCompact, parseCompact, sealCompact } from '../../src/format/compact.ts';
import { canonicalContext, fieldContexts } from '../../src/format/encryption-context.ts';
import { stringOf } from '../../src/lib/json-safe.ts';
import { contentKeyOf } from './gcm.ts';

/** The parts of a lease, or of an opened leaf, that encrypt and decrypt. */
export interface HeldLeaf {
  readonly kid: string;
  /** Base64, or the bytes. */
  readonly key: string | Uint8Array;
}

const keyOf = ({ key }: HeldLeaf): KeyObject =>
  createSecretKey(typeof key === 'string' ? Buffer.from(key, 'base64') : key);

/** Returns a message, or a document's field, that a client makes by itself, with nothing but its leaf. */
export function sealLocally(leaf: HeldLeaf, plaintext: string, encryptionContext?: object, field?: string): string {
  const context = field === undefined ? canonicalContext(encryptionContext) : fieldContexts(encryptionContext)(field);
  const contentKey = contentKeyOf(keyOf(leaf), context);
  return stringOf(sealCompact(contentKey, compactHeader(leaf.kid), randomBytes(12), Buffer.from(plaintext)));
}

/** Opens a message with nothing but its leaf. */
export function openLocally(leaf: HeldLeaf, ciphertext: string, encryptionContext?: object): string {
  const contentKey = contentKeyOf(keyOf(leaf), canonicalContext(encryptionContext));
  return openCompact(contentKey, parseCompact(ciphertext)).toString();
}
