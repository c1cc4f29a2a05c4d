import {
  type Gcm,
  type GcmKey,
  type GcmList,
  type GcmParts,
  type GcmSource,
  javascriptGcm,
  openedCharacters,
  SEALED_BYTES,
  sealedCharacters,
} from './aes-gcm.ts';
import { answerFor, type ByteList, longestOf, textsFor } from './byte-list.ts';
import { IV_BYTES } from './iv-pool.ts';

/** The exports of `native/`. Each call checks the lengths of what it gets. */
export interface NativeModule {
  readonly KEY_BYTES: number;
  readonly MAX_AAD: number;
  readonly MAX_TEXT: number;
  readonly MESSAGE_AT: number;
  readonly SEALING_BYTES: number;
  newKey(bytes: Uint8Array): object;
  /** Writes the message from MESSAGE_AT on to `sealing`, which has SEALING_BYTES. */
  seal(key: object, aad: Buffer, iv: Buffer, text: Uint8Array, sealing: Buffer): void;
  sealOnce(key: Buffer, aad: Buffer, iv: Buffer, text: Uint8Array, sealing: Buffer): void;
  /** Writes the text, which is as long as the ciphertext; returns false for a wrong tag. */
  open(key: object, aad: Buffer, bytes: Buffer, at: number, text: Buffer): boolean;
  openOnce(key: Buffer, aad: Buffer, bytes: Buffer, at: number, text: Buffer): boolean;
  /** Fills the answer with the JSON of items: `before`, the message and `after` of each. */
  readonly sealTexts: SealTexts<object>;
  readonly sealTextsOnce: SealTexts<Buffer>;
  /** Does the same with base64 of the texts; returns false for a wrong tag. */
  readonly openTexts: OpenTexts<object>;
  readonly openTextsOnce: OpenTexts<Buffer>;
  /** Fills `texts` with the texts themselves; returns false for a wrong tag. */
  readonly openAll: OpenAll<object>;
  readonly openAllOnce: OpenAll<Buffer>;
}

export type SealTexts<K> = (
  key: K,
  aad: Buffer,
  ivs: Buffer,
  texts: Buffer,
  ends: Uint32Array,
  before: Buffer,
  after: Buffer,
  answer: Buffer,
) => void;
export type OpenTexts<K> = (
  key: K,
  aad: Buffer,
  bytes: Buffer,
  ends: Uint32Array,
  before: Buffer,
  after: Buffer,
  answer: Buffer,
) => boolean;
export type OpenAll<K> = (key: K, aad: Buffer, bytes: Buffer, ends: Uint32Array, texts: Buffer) => boolean;

/**
 * Returns AES-256-GCM by a native module. It seals and opens short messages; node:crypto does all
 * others, and is as fast for a long one. A call takes 0.5 µs where the objects of node:crypto take
 * 4.
 * @throws Error if the module is of another version, or its results differ from node:crypto
 */
export function nativeGcm(module: NativeModule): Gcm {
  const calls = new NativeCalls(module);
  const gcm: Gcm = {
    name: 'native',
    lastingKey: (bytes) => new LastingKey(calls, bytes),
    keyOfOneUse: (bytes) => new KeyOfOneUse(calls, bytes),
  };
  assertSameResults(gcm);
  return gcm;
}

/** Seals and opens a message of each length with both, and one with a wrong tag. */
function assertSameResults(gcm: Gcm): void {
  const bytes = Buffer.alloc(32, 1);
  const [aad, iv] = [Buffer.alloc(80, 2), Buffer.alloc(IV_BYTES, 3)];
  const reference = javascriptGcm.lastingKey(bytes);
  for (const key of [gcm.lastingKey(bytes), gcm.keyOfOneUse(bytes)]) {
    for (const length of [0, 1, 16, 1_000]) {
      const text = Buffer.alloc(length, 4);
      const message = key.seal(aad, iv, text);
      const sealed = message.split('.').map((part) => Buffer.from(part, 'base64url'));
      const parts = { aad, bytes: Buffer.concat([Buffer.of(5), ...sealed]), at: 1, ciphertextBytes: length };
      const isSame = message === reference.seal(aad, iv, text) && key.open(parts)?.equals(text) === true;
      if (!isSame || !isSameList(key, reference, { aad, iv, text, sealed: parts.bytes.subarray(1) })) throw wrong();
      parts.bytes.fill(0, 1 + IV_BYTES + length);
      if (key.open(parts)) throw wrong();
    }
  }
}

const wrong = (): Error => new Error('its results are wrong');

interface Sample {
  readonly aad: Buffer;
  readonly iv: Buffer;
  readonly text: Buffer;
  readonly sealed: Buffer;
}

/** Seals and opens lists of a message, twice, and of one with a wrong tag. */
function isSameList(key: GcmKey, reference: GcmKey, { aad, iv, text, sealed }: Sample): boolean {
  const frame = { before: Buffer.from('{"a":"'), after: Buffer.from('"}') };
  const listOf = (...parts: Buffer[]): GcmList => {
    const list = { bytes: Buffer.concat(parts), ends: Uint32Array.from(parts, (part, n) => (n + 1) * part.length) };
    return { aad, list, frame };
  };
  const changed = Buffer.from(sealed).fill(0, IV_BYTES + text.length);
  const [texts, messages, ivs] = [listOf(text, text), listOf(sealed, sealed), Buffer.concat([iv, iv])];
  const opened = key.openList(messages);
  const all = key.openAll(messages);
  return (
    key.sealList(texts, ivs).equals(reference.sealList(texts, ivs)) &&
    opened !== undefined &&
    reference.openList(messages)?.equals(opened) === true &&
    key.openList(listOf(sealed, changed)) === undefined &&
    all?.bytes.equals(texts.list.bytes) === true &&
    key.openAll(listOf(sealed, changed)) === undefined
  );
}

/** Calls of the module, for parts of lengths that it takes. */
class NativeCalls {
  readonly module: NativeModule;
  /** Gets ciphertexts and messages, never a text or a key. It is outside Buffer's pool. */
  readonly sealing: Buffer;

  constructor(module: NativeModule) {
    this.module = module;
    this.sealing = Buffer.alloc(module.SEALING_BYTES);
  }

  fits(aad: Buffer, textBytes: number): boolean {
    return textBytes <= this.module.MAX_TEXT && aad.length <= this.module.MAX_AAD;
  }

  /** Returns the message that was sealed last: `IV.CIPHERTEXT.TAG`. */
  message(textBytes: number): string {
    const { MESSAGE_AT } = this.module;
    return this.sealing.toString('latin1', MESSAGE_AT, MESSAGE_AT + sealedCharacters(textBytes));
  }

  sealList<K>(seal: SealTexts<K>, key: K, { aad, list, frame }: GcmList, ivs: Buffer): Buffer {
    const answer = answerFor(list, frame, sealedCharacters);
    seal(key, aad, ivs, list.bytes, list.ends, frame.before, frame.after, answer);
    return answer;
  }

  openList<K>(open: OpenTexts<K>, key: K, { aad, list, frame }: GcmList): Buffer | undefined {
    const answer = answerFor(list, frame, openedCharacters);
    return open(key, aad, list.bytes, list.ends, frame.before, frame.after, answer) ? answer : undefined;
  }

  openAll<K>(open: OpenAll<K>, key: K, { aad, list }: GcmSource): ByteList | undefined {
    const texts = textsFor(list, SEALED_BYTES);
    return open(key, aad, list.bytes, list.ends, texts.bytes) ? texts : undefined;
  }
}

const longestTextOf = (list: ByteList): number => longestOf(list) - SEALED_BYTES;

class LastingKey implements GcmKey {
  readonly #calls: NativeCalls;
  readonly #native: object;
  /** For parts that the module does not take. */
  readonly #other: GcmKey;

  constructor(calls: NativeCalls, bytes: Uint8Array) {
    this.#calls = calls;
    this.#native = calls.module.newKey(bytes);
    this.#other = javascriptGcm.lastingKey(bytes);
  }

  seal(aad: Buffer, iv: Buffer, plaintext: Uint8Array): string {
    const calls = this.#calls;
    if (iv.length !== IV_BYTES || !calls.fits(aad, plaintext.length)) return this.#other.seal(aad, iv, plaintext);
    calls.module.seal(this.#native, aad, iv, plaintext, calls.sealing);
    return calls.message(plaintext.length);
  }

  sealLong(start: string, aad: Buffer, iv: Buffer, plaintext: Uint8Array): Buffer {
    return this.#other.sealLong(start, aad, iv, plaintext);
  }

  open(parts: GcmParts): Buffer | undefined {
    const { aad, bytes, at, ciphertextBytes } = parts;
    const calls = this.#calls;
    if (!calls.fits(aad, ciphertextBytes)) return this.#other.open(parts);
    const text = Buffer.allocUnsafe(ciphertextBytes);
    return calls.module.open(this.#native, aad, bytes, at, text) ? text : undefined;
  }

  sealList(texts: GcmList, ivs: Buffer): Buffer {
    const calls = this.#calls;
    return calls.fits(texts.aad, longestOf(texts.list))
      ? calls.sealList(calls.module.sealTexts, this.#native, texts, ivs)
      : this.#other.sealList(texts, ivs);
  }

  openList(sealed: GcmList): Buffer | undefined {
    const calls = this.#calls;
    return calls.fits(sealed.aad, longestTextOf(sealed.list))
      ? calls.openList(calls.module.openTexts, this.#native, sealed)
      : this.#other.openList(sealed);
  }

  openAll(sealed: GcmSource): ByteList | undefined {
    const calls = this.#calls;
    return calls.fits(sealed.aad, longestTextOf(sealed.list))
      ? calls.openAll(calls.module.openAll, this.#native, sealed)
      : this.#other.openAll(sealed);
  }

  release(): void {}
}

/** Its bytes stay in JavaScript, as with node:crypto: a native object costs more than one use. */
class KeyOfOneUse implements GcmKey {
  readonly #calls: NativeCalls;
  readonly #bytes: Buffer;

  constructor(calls: NativeCalls, bytes: Buffer) {
    if (bytes.length !== calls.module.KEY_BYTES) throw new Error('a key has 32 bytes');
    this.#calls = calls;
    this.#bytes = bytes;
  }

  seal(aad: Buffer, iv: Buffer, plaintext: Uint8Array): string {
    const calls = this.#calls;
    if (iv.length !== IV_BYTES || !calls.fits(aad, plaintext.length)) return this.#other().seal(aad, iv, plaintext);
    calls.module.sealOnce(this.#bytes, aad, iv, plaintext, calls.sealing);
    return calls.message(plaintext.length);
  }

  sealLong(start: string, aad: Buffer, iv: Buffer, plaintext: Uint8Array): Buffer {
    return this.#other().sealLong(start, aad, iv, plaintext);
  }

  open(parts: GcmParts): Buffer | undefined {
    const { aad, bytes, at, ciphertextBytes } = parts;
    const calls = this.#calls;
    if (!calls.fits(aad, ciphertextBytes)) return this.#other().open(parts);
    const text = Buffer.allocUnsafe(ciphertextBytes);
    return calls.module.openOnce(this.#bytes, aad, bytes, at, text) ? text : undefined;
  }

  sealList(texts: GcmList, ivs: Buffer): Buffer {
    const calls = this.#calls;
    return calls.fits(texts.aad, longestOf(texts.list))
      ? calls.sealList(calls.module.sealTextsOnce, this.#bytes, texts, ivs)
      : this.#other().sealList(texts, ivs);
  }

  openList(sealed: GcmList): Buffer | undefined {
    const calls = this.#calls;
    return calls.fits(sealed.aad, longestTextOf(sealed.list))
      ? calls.openList(calls.module.openTextsOnce, this.#bytes, sealed)
      : this.#other().openList(sealed);
  }

  openAll(sealed: GcmSource): ByteList | undefined {
    const calls = this.#calls;
    return calls.fits(sealed.aad, longestTextOf(sealed.list))
      ? calls.openAll(calls.module.openAllOnce, this.#bytes, sealed)
      : this.#other().openAll(sealed);
  }

  release(): void {
    this.#bytes.fill(0);
  }

  /** Returns a key of the same bytes for parts that the module does not take. */
  #other(): GcmKey {
    return javascriptGcm.keyOfOneUse(this.#bytes);
  }
}
