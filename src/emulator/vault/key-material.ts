import {
  createPrivateKey,
  createSecretKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  type webcrypto,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyType, KeyVersion, VaultKind } from '../state.ts';
import { badParameter } from './vault-refusal.ts';

const RSA_SIZES: readonly number[] = [2048, 3072, 4096];
const OCT_SIZES: readonly number[] = [128, 192, 256];
const RSA_OPERATIONS = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'];
const EC_OPERATIONS = ['sign', 'verify'];
const OCT_OPERATIONS = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];

export interface KeyMaterial {
  readonly kty: KeyType;
  readonly jwk: webcrypto.JsonWebKey;
}

export const defaultOperations = (kty: KeyType): readonly string[] =>
  kty === 'oct-HSM' ? OCT_OPERATIONS : isEc(kty) ? EC_OPERATIONS : RSA_OPERATIONS;

const isEc = (kty: KeyType): boolean => kty.startsWith('EC');

export async function generateMaterial(kind: VaultKind, kty: string, size?: number): Promise<KeyMaterial> {
  const type = checkedType(kind, kty);
  if (type === 'oct-HSM') {
    const bits = checkedSize(size ?? 256, OCT_SIZES);
    return { kty: type, jwk: { kty: 'oct', k: randomBytes(bits / 8).toString('base64url') } };
  }
  if (isEc(type)) {
    const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
    return { kty: type, jwk: privateKey.export({ format: 'jwk' }) };
  }
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: checkedSize(size ?? 2048, RSA_SIZES),
  });
  return { kty: type, jwk: privateKey.export({ format: 'jwk' }) };
}

/** Returns the material of an imported key; `jwk` is unchecked JSON. */
export function importMaterial(kind: VaultKind, jwk: Readonly<Record<string, unknown>>): KeyMaterial {
  const type = checkedType(kind, String(jwk['kty']));
  try {
    if (type === 'oct-HSM') {
      const bytes = Buffer.from(String(jwk['k']), 'base64url');
      checkedSize(bytes.length * 8, OCT_SIZES);
      return { kty: type, jwk: { kty: 'oct', k: bytes.toString('base64url') } };
    }
    const key = createPrivateKey({ key: { ...jwk, kty: 'RSA' } as webcrypto.JsonWebKey, format: 'jwk' });
    checkedSize(key.asymmetricKeyDetails?.modulusLength ?? 0, RSA_SIZES);
    return { kty: type, jwk: key.export({ format: 'jwk' }) };
  } catch {
    throw badParameter('Property key is not a private key of a supported size');
  }
}

function checkedType(kind: VaultKind, kty: string): KeyType {
  // A vault in the Premium tier has oct-HSM keys too (preview).
  if (kty === 'oct-HSM' || (kind === 'hsm' && kty === 'oct')) return 'oct-HSM';
  if (kty === 'RSA-HSM' || kty === 'EC-HSM') return kty;
  if (kty === 'RSA' || kty === 'EC') return kind === 'hsm' ? `${kty}-HSM` : kty;
  throw badParameter(`Property kty has the value ${kty}, which is not supported here`);
}

function checkedSize(size: number, supported: readonly number[]): number {
  if (!supported.includes(size)) throw badParameter(`Property key_size has the value ${size}, which is not supported`);
  return size;
}

export const sizeOf = ({ kty, jwk }: KeyMaterial): number =>
  Buffer.from((kty === 'oct-HSM' ? jwk.k : (jwk.n ?? jwk.x)) ?? '', 'base64url').length * 8;

const loaded = new WeakMap<KeyVersion, KeyObject>();

/** Returns the private or secret key, parsed once for each version. */
export function privateKeyOf(version: KeyVersion): KeyObject {
  return loaded.getOrInsertComputed(version, ({ kty, jwk }) =>
    kty === 'oct-HSM' ? createSecretKey(jwk.k ?? '', 'base64url') : createPrivateKey({ key: jwk, format: 'jwk' }),
  );
}

export function publicMembers({ kty, jwk }: KeyMaterial): Readonly<Record<string, string | undefined>> {
  if (kty === 'oct-HSM') return {};
  return isEc(kty) ? { crv: jwk.crv, x: jwk.x, y: jwk.y } : { n: jwk.n, e: jwk.e };
}
