import { createCipheriv, randomBytes } from 'node:crypto';
import { openSync, readSync } from 'node:fs';

/** Returns so many new random bytes in a buffer of their own, which the caller may overwrite. */
export type DrawRandom = (bytes: number) => Buffer;

const KERNEL = '/dev/urandom';
const SEED_BYTES = 32;
/** The key is used once, so the counter may begin at zero (NIST SP 800-38A §6.5, appendix B). */
const ZERO_COUNTER = Buffer.alloc(16);

/**
 * Returns a source that XORs the library's bytes with the kernel's: with a seed of 32 bytes itself,
 * or for longer draws with AES-256-CTR output under it. They are as unpredictable as the better of both. The library's generator is in the
 * process's memory, so a copy of that memory draws the same bytes from it; the kernel's is not.
 */
export const mixed =
  (library: DrawRandom, kernel: DrawRandom): DrawRandom =>
  (bytes) => {
    const seed = kernel(SEED_BYTES);
    const drawn = library(bytes);
    try {
      if (bytes <= SEED_BYTES) return xored(drawn, seed);
      return createCipheriv('aes-256-ctr', seed, ZERO_COUNTER).update(drawn);
    } finally {
      seed.fill(0);
      drawn.fill(0);
    }
  };

function xored(bytes: Buffer, pad: Buffer): Buffer {
  const mixture = Buffer.alloc(bytes.length);
  for (let n = 0; n < bytes.length; n += 1) mixture[n] = (bytes[n] ?? 0) ^ (pad[n] ?? 0);
  return mixture;
}

/** Bytes of one draw for a pool. */
const POOL_BYTES = 4_096;

/**
 * Returns a source of a generator's bytes that draws them for many short draws at once. Used bytes
 * are overwritten at once. The unused ones are no secret more than the generator's own state, which
 * is in the same memory.
 */
export function pooled(library: DrawRandom): DrawRandom {
  let pool: Buffer = Buffer.alloc(0);
  let next = 0;
  return (bytes) => {
    if (bytes > SEED_BYTES) return library(bytes);
    if (next + bytes > pool.length) {
      pool.fill(0);
      pool = library(POOL_BYTES);
      next = 0;
    }
    const start = next;
    next += bytes; // before the bytes are used: no draw gets them again
    const drawn = Buffer.alloc(bytes);
    pool.copy(drawn, 0, start, next);
    pool.fill(0, start, next);
    return drawn;
  };
}

/**
 * Returns a source of the kernel's bytes. It keeps the device open, since opening and closing it
 * take more time than the rest of a draw, but no bytes: a copy of this memory gets others. It throws if the device cannot be read.
 */
function kernelSource(): DrawRandom {
  let device: number | undefined;
  return (bytes) => {
    const drawn = Buffer.alloc(bytes);
    device ??= openSync(KERNEL, 'r');
    for (let at = 0; at < bytes; ) {
      const count = readSync(device, drawn, at, bytes - at, null);
      if (count === 0) throw new Error(`${KERNEL} gave no bytes`);
      at += count;
    }
    return drawn;
  };
}

/**
 * Draws from OpenSSL's generator and from the kernel's, 32 bytes a draw. It is the source of every
 * key, IV and salt.
 */
export const systemRandom: DrawRandom = mixed(pooled(randomBytes), kernelSource());
