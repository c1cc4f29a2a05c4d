/** An answer whose values are base64, JWEs, key ids and times: nothing in them needs an escape. */
type Unescaped = Readonly<Record<string, string>>;

/**
 * JSON of an answer that has nothing to escape. JSON.stringify looks for something all the same, and first copies each value that was
 * put together of parts, as a JWE is: half of what sealing and writing 64 KiB costs.
 */
export function encodeUnescaped(answer: Unescaped): string {
  let text = '';
  for (const name of Object.keys(answer)) text += `${text === '' ? '{' : ','}"${name}":"${answer[name]}"`;
  return `${text}}`;
}

/** The same for a batch; an item that failed has a problem, which may hold anything. */
export function encodeItems({
  items,
}: {
  readonly items: readonly (Unescaped | { readonly error: unknown })[];
}): string {
  const encoded = items.map((item) => ('error' in item ? JSON.stringify(item) : encodeUnescaped(item)));
  return `{"items":[${encoded.join(',')}]}`;
}
