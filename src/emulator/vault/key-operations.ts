import { constants, createCipheriv, createDecipheriv, privateDecrypt, publicEncrypt } from 'node:crypto';
import type { KeyVersion } from '../state.ts';
import { signEs256 } from './ecdsa-signatures.ts';
import { privateKeyOf, sizeOf } from './key-material.ts';
import { signDigest, verifyDigest } from './rsa-signatures.ts';
import { badParameter, forbidden, VaultRefusal } from './vault-refusal.ts';

export type KeyOperation = 'wrapKey' | 'unwrapKey' | 'encrypt' | 'decrypt' | 'sign' | 'verify';

const rsaPaddings: ReadonlyMap<string, { readonly padding: number; readonly oaepHash?: string }> = new Map([
  ['RSA-OAEP-256', { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }],
  ['RSA-OAEP', { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }],
  ['RSA1_5', { padding: constants.RSA_PKCS1_PADDING }],
]);

const keyWraps: ReadonlyMap<string, number> = new Map([
  ['A128KW', 128],
  ['A192KW', 192],
  ['A256KW', 256],
]);
const RFC_3394_IV = Buffer.alloc(8, 0xa6);

// Outside its time window a key may still decrypt, unwrap and verify.
const refusedOutsideWindow: ReadonlySet<KeyOperation> = new Set(['wrapKey', 'encrypt', 'sign']);

export function assertUsable(version: KeyVersion, operation: KeyOperation, nowSeconds: number): void {
  if (!version.enabled) throw forbidden('KeyDisabled', `Operation ${operation} is not allowed on a disabled key.`);
  if (!version.keyOps.includes(operation)) {
    throw forbidden('KeyOperationForbidden', `Operation ${operation} is not permitted on this key.`);
  }
  if (!refusedOutsideWindow.has(operation)) return;
  if (version.nbf !== undefined && nowSeconds < version.nbf) {
    throw forbidden('KeyNotYetValid', `Operation ${operation} is not allowed on a key that is not yet valid.`);
  }
  if (version.exp !== undefined && nowSeconds >= version.exp) {
    throw forbidden('KeyExpired', `Operation ${operation} is not allowed on an expired key.`);
  }
}

/** The body of a key operation, its members decoded. */
export interface OperationInput {
  readonly alg: string;
  readonly value: Buffer;
  /** For `verify`: the signed digest. */
  readonly digest?: Buffer;
}

export function operate(version: KeyVersion, operation: KeyOperation, input: OperationInput): Buffer | boolean {
  switch (operation) {
    case 'wrapKey':
    case 'encrypt':
      return close(version, operation, input);
    case 'unwrapKey':
    case 'decrypt':
      return open(version, operation, input);
    case 'sign':
      if (input.alg === 'ES256') return supported(signEs256(version, input.value), input.alg);
      return supported(signDigest(rsaKey(version, input.alg), input.alg, input.value), input.alg);
    case 'verify': {
      const { alg, digest = Buffer.alloc(0), value } = input;
      return supported(verifyDigest(rsaKey(version, alg), alg, digest, value), alg);
    }
  }
}

function close(version: KeyVersion, operation: KeyOperation, { alg, value }: OperationInput): Buffer {
  const key = privateKeyOf(version);
  return attempt('Property value is too long, or not of a length that can be closed', () => {
    if (version.kty !== 'oct-HSM') return publicEncrypt({ key: rsaKey(version, alg), ...rsaPadding(alg) }, value);
    const cipher = createCipheriv(keyWrapCipher(version, operation, alg), key, RFC_3394_IV);
    return Buffer.concat([cipher.update(value), cipher.final()]);
  });
}

function open(version: KeyVersion, operation: KeyOperation, { alg, value }: OperationInput): Buffer {
  const key = privateKeyOf(version);
  return attempt('The parameter is incorrect: the value does not open with this key', () => {
    if (version.kty !== 'oct-HSM') return privateDecrypt({ key: rsaKey(version, alg), ...rsaPadding(alg) }, value);
    const decipher = createDecipheriv(keyWrapCipher(version, operation, alg), key, RFC_3394_IV);
    return Buffer.concat([decipher.update(value), decipher.final()]);
  });
}

function attempt(complaint: string, run: () => Buffer): Buffer {
  try {
    return run();
  } catch (error) {
    throw error instanceof VaultRefusal ? error : badParameter(complaint);
  }
}

const rsaPadding = (alg: string): { padding: number; oaepHash?: string } => supported(rsaPaddings.get(alg), alg);

function keyWrapCipher(version: KeyVersion, operation: KeyOperation, alg: string): string {
  const isWrap = operation === 'wrapKey' || operation === 'unwrapKey';
  const bits = supported(isWrap ? keyWraps.get(alg) : undefined, alg);
  if (bits !== sizeOf(version)) throw unsupported(alg);
  return `id-aes${bits}-wrap`;
}

function rsaKey(version: KeyVersion, alg: string): ReturnType<typeof privateKeyOf> {
  if (!version.kty.startsWith('RSA')) throw unsupported(alg);
  return privateKeyOf(version);
}

function supported<T>(found: T | undefined, alg: string): T {
  if (found === undefined) throw unsupported(alg);
  return found;
}

const unsupported = (alg: string): VaultRefusal =>
  badParameter(`Property alg has the value '${alg}', which does not suit this key or this value`);
