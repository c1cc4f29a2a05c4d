/** Types of Key Vault keys that wrap (RFC 7518 §6.1); `oct` stands for oct-HSM too. */
export type KekType = 'RSA' | 'oct';

interface AlgorithmFacts {
  readonly kekType: KekType;
  /** Whether it may wrap the data key of a message, so that a header may name it. */
  readonly isForData: boolean;
  /** Hash of RSA-OAEP, which MGF1 uses too (RFC 7518 §4.3). */
  readonly oaepHash?: 'sha1' | 'sha256';
}

/**
 * Every algorithm by which a vault's key wraps another. Key Vault's names are the JWA names (RFC
 * 7518 §4.1).
 */
const ALGORITHMS = {
  'RSA-OAEP-256': { kekType: 'RSA', isForData: true, oaepHash: 'sha256' },
  'RSA-OAEP': { kekType: 'RSA', isForData: true, oaepHash: 'sha1' },
  A128KW: { kekType: 'oct', isForData: false },
  A192KW: { kekType: 'oct', isForData: false },
  A256KW: { kekType: 'oct', isForData: true },
} as const satisfies Readonly<Record<string, AlgorithmFacts>>;

export type WrapAlgorithm = keyof typeof ALGORITHMS;

export const WRAP_ALGORITHMS = Object.keys(ALGORITHMS) as readonly WrapAlgorithm[];
export const DATA_ALGORITHMS = WRAP_ALGORITHMS.filter((name) => ALGORITHMS[name].isForData);

/** The algorithm of a registered key whose record names none. */
const DEFAULTS: Readonly<Record<KekType, WrapAlgorithm>> = { RSA: 'RSA-OAEP-256', oct: 'A256KW' };

const DATA: ReadonlySet<unknown> = new Set(DATA_ALGORITHMS);
const DEFAULT: ReadonlySet<unknown> = new Set(Object.values(DEFAULTS));

/** RSA moduli that Key Vault has: 2048, 3072 and 4096 bits. */
const MODULUS_BYTES: ReadonlySet<number> = new Set([256, 384, 512]);
/** RFC 3394 §2.2.1: one block of 8 bytes more than the wrapped key. */
const KW_OVERHEAD = 8;
const KW_BLOCK = 8;
/** RFC 7518 §5.3: the CEK of A256GCM. */
const DATA_KEY_BYTES = 32;
const DIGEST_BYTES = { sha1: 20, sha256: 32 } as const;

/** Returns whether a message's header may name this algorithm. */
export const isDataAlgorithm = (name: unknown): name is WrapAlgorithm => DATA.has(name);

/** Returns the algorithm of a key of this type whose record names none. */
export const defaultAlgorithm = (type: KekType): WrapAlgorithm => DEFAULTS[type];

/** Returns whether a key of some type has this algorithm by default. */
export const isDefaultAlgorithm = (algorithm: WrapAlgorithm): boolean => DEFAULT.has(algorithm);

export const kekTypeOf = (algorithm: WrapAlgorithm): KekType => ALGORITHMS[algorithm].kekType;

/** Returns the hash of RSA-OAEP; undefined for AES key wrap. */
export const oaepHashOf = (algorithm: WrapAlgorithm): 'sha1' | 'sha256' | undefined => {
  const facts: AlgorithmFacts = ALGORITHMS[algorithm];
  return facts.oaepHash;
};

/** Returns whether a wrapped data key of 32 bytes can have this length. */
export const isEncryptedKeyLength = (algorithm: WrapAlgorithm, bytes: number): boolean =>
  kekTypeOf(algorithm) === 'RSA' ? MODULUS_BYTES.has(bytes) : bytes === DATA_KEY_BYTES + KW_OVERHEAD;

/** Returns whether any wrapped value can have this length. */
export const isWrappedLength = (algorithm: WrapAlgorithm, bytes: number): boolean =>
  kekTypeOf(algorithm) === 'RSA' ? MODULUS_BYTES.has(bytes) : bytes >= 3 * KW_BLOCK && bytes % KW_BLOCK === 0;

/**
 * Returns the length that the wrapped data key must have: the modulus' (RFC 8017 §7.1.1), or RFC
 * 3394's.
 * @param bits of the RSA modulus; undefined for oct keys
 */
export const encryptedKeyLength = (bits: number | undefined): number =>
  bits === undefined ? DATA_KEY_BYTES + KW_OVERHEAD : Math.ceil(bits / 8);

/**
 * Returns the reason that a value of this size cannot be wrapped, or undefined. RFC 8017 §7.1.1:
 * OAEP uses twice the hash and 2 bytes. RFC 3394 §2: whole blocks of 8 bytes, at least two.
 */
export function valueProblem(algorithm: WrapAlgorithm, bits: number, bytes: number): string | undefined {
  const hash = oaepHashOf(algorithm);
  if (hash === undefined) {
    const isWhole = bytes >= 2 * KW_BLOCK && bytes % KW_BLOCK === 0;
    return isWhole ? undefined : `must be a multiple of 8 bytes, at least 16, for ${algorithm}`;
  }
  const most = bits / 8 - 2 * DIGEST_BYTES[hash] - 2;
  return bytes <= most ? undefined : `has at most ${most} bytes for ${algorithm} and a key of ${bits} bits`;
}
