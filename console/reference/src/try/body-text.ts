const MAX_SHOWN = 100_000;
const MAX_HEX = 256;

export interface BodyText {
  readonly text: string;
  /** What is not shown; empty: everything is. */
  readonly note: string;
}

/** Returns a body as it is shown: JSON with line breaks, text, or the first bytes in hexadecimal. */
export function bodyText(type: string, content: Uint8Array<ArrayBuffer>): BodyText {
  if (!/json|text|yaml|xml/.test(type)) return hexText(content);
  const whole = new TextDecoder().decode(content);
  const text = /^application\/([\w.-]+\+)?json/.test(type) ? pretty(whole) : whole;
  if (text.length <= MAX_SHOWN) return { text, note: '' };
  return { text: text.slice(0, MAX_SHOWN), note: `The first ${MAX_SHOWN.toLocaleString('en')} characters.` };
}

function hexText(content: Uint8Array<ArrayBuffer>): BodyText {
  const text = content
    .subarray(0, MAX_HEX)
    .toHex()
    .replaceAll(/(.{2})/g, '$1 ')
    .replaceAll(/(.{48})/g, '$1\n')
    .trim();
  return { text, note: content.length > MAX_HEX ? `The first ${MAX_HEX} bytes, in hexadecimal.` : 'In hexadecimal.' };
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2);
  } catch {
    return json;
  }
}
