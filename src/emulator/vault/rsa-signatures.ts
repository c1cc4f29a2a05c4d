import {
  constants,
  createHash,
  type KeyObject,
  privateEncrypt,
  publicDecrypt,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

/**
 * Key Vault signs digests that the client made, but Node signs messages only. So this file makes
 * the encodings of RFC 8017 (§9.1 PSS, §9.2 PKCS#1 v1.5) and uses Node's bare RSA operation.
 */
const hashes = {
  256: { name: 'sha256', bytes: 32, prefix: '3031300d060960864801650304020105000420' },
  384: { name: 'sha384', bytes: 48, prefix: '3041300d060960864801650304020205000430' },
  512: { name: 'sha512', bytes: 64, prefix: '3051300d060960864801650304020305000440' },
} as const;

type Hash = (typeof hashes)[keyof typeof hashes];

interface Algorithm {
  readonly padding: 'pkcs1' | 'pss';
  readonly hash: Hash;
}

const algorithms: ReadonlyMap<string, Algorithm> = new Map(
  ([256, 384, 512] as const).flatMap((bits): [string, Algorithm][] => [
    [`RS${bits}`, { padding: 'pkcs1', hash: hashes[bits] }],
    [`PS${bits}`, { padding: 'pss', hash: hashes[bits] }],
  ]),
);

/**
 * Returns the signature; `undefined` if the key does not have the algorithm or the digest has the
 * wrong length.
 */
export function signDigest(key: KeyObject, alg: string, digest: Buffer): Buffer | undefined {
  const algorithm = algorithms.get(alg);
  if (algorithm === undefined || digest.length !== algorithm.hash.bytes) return undefined;
  if (algorithm.padding === 'pkcs1') {
    return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo(algorithm.hash, digest));
  }
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encodePss(algorithm.hash, digest, bytesOf(key)));
}

export function verifyDigest(key: KeyObject, alg: string, digest: Buffer, signature: Buffer): boolean | undefined {
  const algorithm = algorithms.get(alg);
  if (algorithm === undefined || digest.length !== algorithm.hash.bytes) return undefined;
  if (signature.length !== bytesOf(key)) return false;
  try {
    if (algorithm.padding === 'pkcs1') {
      const opened = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
      return isSame(opened, digestInfo(algorithm.hash, digest));
    }
    const encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
    return isPssOf(algorithm.hash, digest, encoded);
  } catch {
    return false; // the padding is wrong
  }
}

const bytesOf = (key: KeyObject): number => (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;

const digestInfo = (hash: Hash, digest: Buffer): Buffer => Buffer.concat([Buffer.from(hash.prefix, 'hex'), digest]);

/** Returns the PSS encoding, with a salt as long as the hash, as RFC 7518 §3.5 requires. */
function encodePss(hash: Hash, digest: Buffer, length: number): Buffer {
  const salt = randomBytes(hash.bytes);
  const hashed = saltedHash(hash, digest, salt);
  const block = Buffer.alloc(length - hash.bytes - 1);
  block[block.length - salt.length - 1] = 0x01;
  salt.copy(block, block.length - salt.length);
  const masked = xor(block, mask(hash, hashed, block.length));
  masked[0] = (masked[0] ?? 0) & 0x7f;
  return Buffer.concat([masked, hashed, Buffer.from([0xbc])]);
}

function isPssOf(hash: Hash, digest: Buffer, encoded: Buffer): boolean {
  if (encoded.at(-1) !== 0xbc) return false;
  const masked = encoded.subarray(0, encoded.length - hash.bytes - 1);
  const hashed = encoded.subarray(masked.length, -1);
  const block = xor(masked, mask(hash, hashed, masked.length));
  block[0] = (block[0] ?? 0) & 0x7f;
  const padding = block.subarray(0, block.length - hash.bytes);
  const isPadded = padding.at(-1) === 0x01 && padding.subarray(0, -1).every((byte) => byte === 0);
  return isPadded && isSame(hashed, saltedHash(hash, digest, block.subarray(padding.length)));
}

const saltedHash = (hash: Hash, digest: Buffer, salt: Buffer): Buffer =>
  createHash(hash.name).update(Buffer.alloc(8)).update(digest).update(salt).digest();

/** Returns the MGF1 mask, RFC 8017 §B.2.1. */
function mask(hash: Hash, seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0; counter * hash.bytes < length; counter += 1) {
    const suffix = Buffer.alloc(4);
    suffix.writeUInt32BE(counter);
    blocks.push(createHash(hash.name).update(seed).update(suffix).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const xor = (left: Buffer, right: Buffer): Buffer => Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0)));

const isSame = (left: Buffer, right: Buffer): boolean => left.length === right.length && timingSafeEqual(left, right);
