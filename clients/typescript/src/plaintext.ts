import { textOf } from './bytes.ts';

/** What a ciphertext held. It prints as `[redacted]`, so that no log has it by accident. */
export class Plaintext {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Returns the text that was encrypted.
   * @throws TypeError where the bytes are not UTF-8
   */
  text(): string {
    return textOf(this.#bytes);
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'Plaintext [redacted]';
  }
}
