/** Shorter buffers die young, and cost less than this call. */
const MIN_BYTES = 16 * 1_024;

/**
 * Returns a copy of an ASCII text for long-term use: a slice of V8 holds its parent, such as a
 * message of many megabytes.
 */
export const copied = (ascii: string): string => Buffer.from(ascii, 'latin1').toString('latin1');

/**
 * Frees the memory of a long buffer at once; its length is then 0. V8 would keep megabytes that
 * nobody uses until its next collection, and would begin a full one because of them. Does nothing
 * to a buffer that shares its memory with others.
 */
export function releaseMemory({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < MIN_BYTES || buffer.byteLength !== byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
