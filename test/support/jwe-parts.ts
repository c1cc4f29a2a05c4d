import type { GcmParts } from '../../src/format/aes-gcm.ts';

/** Members of a ciphertext's protected header, in their order. */
export type Header = Readonly<Record<string, unknown>>;

export function headerOf(ciphertext: string): Header {
  const [encoded = ''] = ciphertext.split('.');
  return JSON.parse(Buffer.from(encoded, 'base64url').toString()) as Header;
}

/** Returns the ciphertext with its header's JSON replaced, and no other sign of the change. */
export function withHeader(ciphertext: string, change: Header | ((json: string) => string)): string {
  const [, ...rest] = ciphertext.split('.');
  const header = headerOf(ciphertext);
  const json = typeof change === 'function' ? change(JSON.stringify(header)) : JSON.stringify({ ...header, ...change });
  return [Buffer.from(json).toString('base64url'), ...rest].join('.');
}

/** Returns the ciphertext with one bit of one segment's bytes flipped. */
export function withBitFlipped(ciphertext: string, segment: number, byte: number): string {
  return withSegment(ciphertext, segment, (text) => {
    const bytes = Buffer.from(text, 'base64url');
    const at = byte < 0 ? bytes.length + byte : byte;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes.toString('base64url');
  });
}

export function withSegment(ciphertext: string, segment: number, change: (text: string) => string): string {
  return ciphertext
    .split('.')
    .map((text, index) => (index === segment ? change(text) : text))
    .join('.');
}

/** Returns the parts of `IV.CIPHERTEXT.TAG`, whose bytes begin and end in a larger buffer. */
export function partsOf(message: string, aad: Buffer): GcmParts {
  const [iv, ciphertext, tag] = message.split('.').map((text) => Buffer.from(text, 'base64url'));
  if (!iv || !ciphertext || !tag) throw new Error('three segments');
  const around = Buffer.alloc(3, 0xa5);
  return {
    aad,
    bytes: Buffer.concat([around, iv, ciphertext, tag, around]),
    at: around.length,
    ciphertextBytes: ciphertext.length,
  };
}

/** Returns parsed parts in memory of their own, so that two messages can be compared. */
export const inOwnMemory = <T extends GcmParts>({ bytes, at, ...message }: T) => ({
  ...message,
  sealed: Buffer.from(bytes.subarray(at, at + 12 + message.ciphertextBytes + 16)),
});
