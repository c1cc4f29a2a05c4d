import { createECDH, randomBytes } from 'node:crypto';
import type { KeyVersion } from '../state.ts';

/** Order of the base point of P-256 (FIPS 186-5). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const BYTES = 32;

const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const bytesOf = (number: bigint): Buffer => Buffer.from(number.toString(16).padStart(2 * BYTES, '0'), 'hex');

/**
 * Returns the ES256 signature of a digest, r and s side by side; `undefined` if the key or the
 * digest does not suit. Key Vault signs digests that the client made, but Node hashes what it
 * signs. So this makes the signature of FIPS 186-5 §6.4.1 from Node's point multiplication. It is
 * not of constant time, which is why it belongs in an emulator only.
 */
export function signEs256({ kty, jwk }: KeyVersion, digest: Buffer): Buffer | undefined {
  if (!kty.startsWith('EC') || jwk.d === undefined || digest.length !== BYTES) return undefined;
  const key = numberOf(Buffer.from(jwk.d, 'base64url'));
  for (;;) {
    const secret = randomBytes(BYTES);
    const k = numberOf(secret);
    if (k === 0n || k >= ORDER) continue;
    const curve = createECDH('prime256v1');
    curve.setPrivateKey(secret);
    const r = numberOf(curve.getPublicKey().subarray(1, 1 + BYTES)) % ORDER;
    const s = (inverse(k) * ((numberOf(digest) + r * key) % ORDER)) % ORDER;
    if (r !== 0n && s !== 0n) return Buffer.concat([bytesOf(r), bytesOf(s)]);
  }
}

/** Returns the inverse modulo the order, by the extended Euclidean algorithm. */
function inverse(number: bigint): bigint {
  let [rest, next] = [ORDER, number];
  let [before, factor] = [0n, 1n];
  while (next !== 0n) {
    const quotient = rest / next;
    [rest, next] = [next, rest - quotient * next];
    [before, factor] = [factor, before - quotient * factor];
  }
  return ((before % ORDER) + ORDER) % ORDER;
}
