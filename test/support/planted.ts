import { randomBytes } from 'node:crypto';

/** Returns a text that occurs nowhere by chance. */
export const planted = (what: string): string => `planted-${what}-${randomBytes(9).toString('hex')}`;

/**
 * Returns the forms that bytes may have in a text: unchanged, hexadecimal, and base64 at each of
 * the three offsets in a longer text.
 */
export function formsOf(secret: string | Uint8Array): readonly string[] {
  const bytes = Buffer.from(secret);
  const isText = typeof secret === 'string';
  const base64 = [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const inner = text.slice(offset === 0 ? 0 : 4).replace(/.{0,3}=*$/, ''); // without the letters that neighbouring bytes affect
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = bytes.toString('hex');
  return [...(isText ? [secret, encodeURIComponent(secret)] : []), hex, hex.toUpperCase(), ...base64];
}
