import type { JsonSafeText } from '../../lib/json-safe.ts';

/**
 * An answer whose long text is base64 or a JWE; its other members are short and may contain any
 * text.
 */
interface Sealed {
  readonly ciphertext: JsonSafeText;
  readonly keyId: string;
}
interface Opened {
  readonly plaintext: JsonSafeText;
  readonly keyId: string;
}
interface Failed {
  readonly error: unknown;
}
/** Items whose JSON is made. */
interface Done {
  readonly json: Buffer;
}

/** JSON as text, or as UTF-8 in pieces where the text would be large. */
export type Encoded = string | readonly Buffer[];

/**
 * Returns the JSON of an answer with its long text unescaped. JSON.stringify searches each text for
 * characters to escape, and first copies a text that was joined from parts, such as a JWE. For 16
 * KiB that takes 39 µs of 64, sealing included (the rest takes 26 µs, 2 cores).
 */
export const encodeSealed = ({ ciphertext, ...rest }: Sealed): Encoded =>
  encodeOne('{"ciphertext":"', ciphertext, `",${JSON.stringify(rest).slice(1)}`);

export const encodeOpened = ({ plaintext, ...rest }: Opened): Encoded =>
  encodeOne('{"plaintext":"', plaintext, `",${JSON.stringify(rest).slice(1)}`);

function encodeOne(start: string, text: JsonSafeText, end: string): Encoded {
  return typeof text === 'string' ? start + text + end : [Buffer.from(start), text, Buffer.from(end)];
}

const SEALED_START = '{"ciphertext":"';
const OPENED_START = '{"plaintext":"';
const endOf = (keyId: string): string => `","keyId":${JSON.stringify(keyId)}}`;

/** Returns the JSON around the ciphertext of an item, for items that are made together. */
export const sealedFrame = (keyId: string) => ({ before: Buffer.from(SEALED_START), after: Buffer.from(endOf(keyId)) });

export const openedFrame = (keyId: string) => ({ before: Buffer.from(OPENED_START), after: Buffer.from(endOf(keyId)) });

/** Returns the JSON of a batch; an item that failed has a problem. */
export const encodeSealedItems = ({ items }: { readonly items: readonly (Sealed | Failed | Done)[] }): Encoded =>
  encodeItems(items, SEALED_START, ({ ciphertext }) => ciphertext);

export const encodeOpenedItems = ({ items }: { readonly items: readonly (Opened | Failed | Done)[] }): Encoded =>
  encodeItems(items, OPENED_START, ({ plaintext }) => plaintext);

function encodeItems<T extends { readonly keyId: string }>(
  items: readonly (T | Failed | Done)[],
  start: string,
  textOf: (item: T) => JsonSafeText,
): Encoded {
  const parts = new JsonParts();
  let lastKeyId: string | undefined;
  let end = '';
  parts.addAscii('{"items":[');
  for (const [at, item] of items.entries()) {
    if (at > 0) parts.addAscii(',');
    if ('json' in item) {
      parts.addPiece(item.json);
      continue;
    }
    if ('error' in item) {
      parts.add(JSON.stringify(item));
      continue;
    }
    // Items share their key most of the time.
    if (item.keyId !== lastKeyId) {
      lastKeyId = item.keyId;
      end = endOf(lastKeyId);
    }
    parts.addAscii(start);
    parts.addAscii(textOf(item));
    parts.add(end);
  }
  parts.addAscii(']}');
  return parts.pieces();
}

/** The parts of a JSON text, written once into Buffers of their size. */
class JsonParts {
  readonly #pieces: Buffer[] = [];
  #parts: (string | Buffer)[] = [];
  #bytes = 0;

  addAscii(text: string | Buffer): void {
    this.#parts.push(text);
    this.#bytes += text.length;
  }

  add(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (bytes === text.length) this.addAscii(text);
    else {
      this.#parts.push(Buffer.from(text));
      this.#bytes += bytes;
    }
  }

  /** Adds a large part, which is not copied. */
  addPiece(piece: Buffer): void {
    this.#join();
    this.#pieces.push(piece);
  }

  pieces(): readonly Buffer[] {
    this.#join();
    return this.#pieces;
  }

  #join(): void {
    const joined = Buffer.allocUnsafe(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      at += typeof part === 'string' ? joined.write(part, at, 'latin1') : part.copy(joined, at);
    }
    this.#pieces.push(joined);
    this.#parts = [];
    this.#bytes = 0;
  }
}
