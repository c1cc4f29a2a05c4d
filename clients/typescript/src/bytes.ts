import { kindOf } from './kind-of.ts';

/** What can be encrypted: bytes as they are, or text as UTF-8. */
export type Data = Uint8Array | string;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Returns the bytes of data.
 * @throws TypeError where the value is neither text nor bytes, or a text has a lone surrogate, which UTF-8 can't hold
 */
export function bytesOf(data: Data, name: string): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data !== 'string') {
    throw new TypeError(`${name} is ${kindOf(data)}: give a string or a Uint8Array`);
  }
  if (!isWellFormed(data)) throw new TypeError(`${name} has a lone surrogate, which UTF-8 can't encode`);
  return typeof Buffer === 'function' ? Buffer.from(data) : encoder.encode(data);
}

/** @throws TypeError where the bytes are not UTF-8 */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Returns padded standard base64. */
export function base64Of(bytes: Uint8Array): string {
  if (typeof Buffer === 'function') return bufferOf(bytes).toString('base64');
  let binary = '';
  for (let at = 0; at < bytes.length; at += 0x80_00) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x80_00));
  }
  return btoa(binary);
}

/** Returns the bytes of padded standard base64, which is what the service sends. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  if (typeof Buffer === 'function') return Uint8Array.from(Buffer.from(text, 'base64'));
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Returns unpadded base64url. */
export function base64UrlOf(bytes: Uint8Array): string {
  return base64Of(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isWellFormed(text: string): boolean {
  // String.prototype.isWellFormed is in every supported runtime; its type comes with a later library.
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}
