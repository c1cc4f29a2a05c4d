import { randomFillSync } from 'node:crypto';

export const IV_BYTES = 12;
const IVS_PER_FILL = 512;

/**
 * Random 96-bit IVs (NIST SP 800-38D §8.2.2), drawn in bulk: one draw for each message costs more than the encryption of
 * a short one. The index moves before the slot is used, so no slot is ever handed out twice.
 */
export class IvPool {
  #pool = Buffer.alloc(IVS_PER_FILL * IV_BYTES);
  #next = IVS_PER_FILL;

  /** A copy of its own: the caller may hold it as long as it likes. */
  take(): Buffer {
    if (this.#next === IVS_PER_FILL) {
      randomFillSync(this.#pool);
      this.#next = 0;
    }
    const start = this.#next * IV_BYTES;
    this.#next += 1;
    return Buffer.from(this.#pool.subarray(start, start + IV_BYTES));
  }

  /** Forgets what was drawn: a resumed snapshot holds IVs that its original may have used already. */
  drop(): void {
    this.#next = IVS_PER_FILL;
  }
}
