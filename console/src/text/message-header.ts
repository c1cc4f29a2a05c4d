/** Returns the protected header of a compact JWE; undefined if the text is none. */
export function messageHeader(ciphertext: string): Readonly<Record<string, unknown>> | undefined {
  const [header = '', ...others] = ciphertext.trim().split('.');
  if (others.length !== 4) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(header, { alphabet: 'base64url' });
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

export type ContextLines = { readonly context: Readonly<Record<string, string>> } | { readonly wrongLine: string };

/**
 * Returns the encryption context that lines of `name=value` stand for, or the first line that is
 * none.
 */
export function contextOf(text: string): ContextLines {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const pairs: [string, string][] = [];
  for (const line of lines) {
    const at = line.indexOf('=');
    if (at < 1) return { wrongLine: line };
    pairs.push([line.slice(0, at).trim(), line.slice(at + 1)]);
  }
  return { context: Object.fromEntries(pairs) };
}
