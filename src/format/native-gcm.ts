import { type Gcm, type GcmKey, type GcmParts, javascriptGcm, TAG_BYTES } from './aes-gcm.ts';
import { IV_BYTES } from './iv-pool.ts';

/** The exports of `native/`: calls on one scratch buffer, and the places of its parts. */
export interface NativeModule {
  readonly KEY_AT: number;
  readonly KEY_BYTES: number;
  readonly AAD_AT: number;
  readonly MAX_AAD: number;
  readonly IV_AT: number;
  readonly TEXT_AT: number;
  readonly MAX_TEXT: number;
  readonly MESSAGE_AT: number;
  readonly SCRATCH_BYTES: number;
  newKey(bytes: Uint8Array): object;
  seal(key: object, scratch: Buffer, aadBytes: number, textBytes: number): void;
  sealOnce(scratch: Buffer, aadBytes: number, textBytes: number): void;
  open(key: object, scratch: Buffer, aadBytes: number, textBytes: number): boolean;
  openOnce(scratch: Buffer, aadBytes: number, textBytes: number): boolean;
}

/**
 * Returns AES-256-GCM by a native module. It seals and opens short messages; node:crypto does all
 * others, and is as fast for a long one. A call takes 0.5 µs where the objects of node:crypto take
 * 4.
 * @throws Error if the module is of another version, or its results differ from node:crypto
 */
export function nativeGcm(module: NativeModule): Gcm {
  const scratch = new Scratch(module);
  const gcm: Gcm = {
    name: 'native',
    lastingKey: (bytes) => new LastingKey(module, scratch, bytes),
    keyOfOneUse: (bytes) => new KeyOfOneUse(module, scratch, bytes),
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
      const [, ciphertext = '', tag = ''] = message.split('.');
      const parts = { aad, iv, ciphertext: Buffer.from(ciphertext, 'base64url'), tag: Buffer.from(tag, 'base64url') };
      const isSame = message === reference.seal(aad, iv, text) && key.open(parts)?.equals(text) === true;
      if (!isSame || key.open({ ...parts, tag: Buffer.alloc(TAG_BYTES) })) throw new Error('its results are wrong');
    }
  }
}

/** The memory that JavaScript shares with the module. No part of a text or of a key stays in it. */
class Scratch {
  /** Outside Buffer's pool, which other code reads. */
  readonly bytes: Buffer;
  readonly #layout: NativeModule;

  constructor(layout: NativeModule) {
    this.#layout = layout;
    this.bytes = Buffer.alloc(layout.SCRATCH_BYTES);
  }

  /** Returns whether the module takes parts of these lengths. */
  fits(aad: Buffer, iv: Buffer, text: Uint8Array): boolean {
    const { MAX_AAD, MAX_TEXT } = this.#layout;
    return text.length <= MAX_TEXT && aad.length <= MAX_AAD && iv.length === IV_BYTES;
  }

  putKey(key: Buffer): void {
    this.bytes.set(key, this.#layout.KEY_AT);
  }

  putParts(aad: Buffer, iv: Buffer, text: Uint8Array): void {
    const { AAD_AT, IV_AT, TEXT_AT } = this.#layout;
    this.bytes.set(aad, AAD_AT);
    this.bytes.set(iv, IV_AT);
    this.bytes.set(text, TEXT_AT);
  }

  putTag(tag: Buffer, textBytes: number): void {
    this.bytes.set(tag, this.#layout.TEXT_AT + textBytes);
  }

  /** Returns the sealed `IV.CIPHERTEXT.TAG`. */
  message(textBytes: number): string {
    const { MESSAGE_AT } = this.#layout;
    return this.bytes.toString('latin1', MESSAGE_AT, MESSAGE_AT + FRAME_CHARACTERS + Math.ceil((textBytes * 4) / 3));
  }

  /** Returns a copy of the opened text and overwrites it here. */
  takeText(textBytes: number): Buffer {
    const { TEXT_AT } = this.#layout;
    const text = Buffer.allocUnsafe(textBytes);
    this.bytes.copy(text, 0, TEXT_AT, TEXT_AT + textBytes);
    this.bytes.fill(0, TEXT_AT, TEXT_AT + textBytes);
    return text;
  }
}

/** Characters of a message's last three segments without the ciphertext: IV, tag and two dots. */
const FRAME_CHARACTERS = 16 + 22 + 2;

class LastingKey implements GcmKey {
  readonly #module: NativeModule;
  readonly #scratch: Scratch;
  readonly #native: object;
  /** For parts that the module does not take. */
  readonly #other: GcmKey;

  constructor(module: NativeModule, scratch: Scratch, bytes: Uint8Array) {
    this.#module = module;
    this.#scratch = scratch;
    this.#native = module.newKey(bytes);
    this.#other = javascriptGcm.lastingKey(bytes);
  }

  seal(aad: Buffer, iv: Buffer, plaintext: Uint8Array): string {
    const scratch = this.#scratch;
    if (!scratch.fits(aad, iv, plaintext)) return this.#other.seal(aad, iv, plaintext);
    scratch.putParts(aad, iv, plaintext);
    this.#module.seal(this.#native, scratch.bytes, aad.length, plaintext.length);
    return scratch.message(plaintext.length);
  }

  open(parts: GcmParts): Buffer | undefined {
    const { aad, iv, ciphertext, tag } = parts;
    const scratch = this.#scratch;
    if (!scratch.fits(aad, iv, ciphertext) || tag.length !== TAG_BYTES) return this.#other.open(parts);
    scratch.putParts(aad, iv, ciphertext);
    scratch.putTag(tag, ciphertext.length);
    const isOpen = this.#module.open(this.#native, scratch.bytes, aad.length, ciphertext.length);
    return isOpen ? scratch.takeText(ciphertext.length) : undefined;
  }

  release(): void {}
}

/** Its bytes stay in JavaScript, as with node:crypto: a native object costs more than one use. */
class KeyOfOneUse implements GcmKey {
  readonly #module: NativeModule;
  readonly #scratch: Scratch;
  readonly #bytes: Buffer;

  constructor(module: NativeModule, scratch: Scratch, bytes: Buffer) {
    if (bytes.length !== module.KEY_BYTES) throw new Error('a key has 32 bytes');
    this.#module = module;
    this.#scratch = scratch;
    this.#bytes = bytes;
  }

  seal(aad: Buffer, iv: Buffer, plaintext: Uint8Array): string {
    const scratch = this.#scratch;
    if (!scratch.fits(aad, iv, plaintext)) return javascriptGcm.keyOfOneUse(this.#bytes).seal(aad, iv, plaintext);
    scratch.putParts(aad, iv, plaintext);
    scratch.putKey(this.#bytes);
    this.#module.sealOnce(scratch.bytes, aad.length, plaintext.length);
    return scratch.message(plaintext.length);
  }

  open(parts: GcmParts): Buffer | undefined {
    const { aad, iv, ciphertext, tag } = parts;
    const scratch = this.#scratch;
    if (!scratch.fits(aad, iv, ciphertext) || tag.length !== TAG_BYTES) {
      return javascriptGcm.keyOfOneUse(this.#bytes).open(parts);
    }
    scratch.putParts(aad, iv, ciphertext);
    scratch.putTag(tag, ciphertext.length);
    scratch.putKey(this.#bytes);
    const isOpen = this.#module.openOnce(scratch.bytes, aad.length, ciphertext.length);
    return isOpen ? scratch.takeText(ciphertext.length) : undefined;
  }

  release(): void {
    this.#bytes.fill(0);
  }
}
