import type { DrawRandom } from '../lib/random.ts';

export const IV_BYTES = 12;
const IVS_PER_DRAW = 512;

/**
 * Random 96-bit IVs (NIST SP 800-38D §8.2.2), drawn in bulk: one draw for each message costs more
 * than the encryption of a short one. The index advances before the slot is used, so no slot is
 * ever used twice.
 */
export class IvPool {
  readonly #draw: DrawRandom;
  #pool: Buffer = Buffer.alloc(0);
  #next = IVS_PER_DRAW;

  constructor(draw: DrawRandom) {
    this.#draw = draw;
  }

  /** Returns an IV that no other call returns. It keeps its draw in memory while it is in use. */
  take(): Buffer {
    return this.takeMany(1);
  }

  /** Returns the same number of IVs, one after the other: at most those of a draw. */
  takeMany(count: number): Buffer {
    if (count > IVS_PER_DRAW) throw new Error('more IVs than a draw has');
    if (this.#next + count > IVS_PER_DRAW) {
      this.#pool = this.#draw(IVS_PER_DRAW * IV_BYTES);
      this.#next = 0;
    }
    const start = this.#next * IV_BYTES;
    this.#next += count;
    return this.#pool.subarray(start, start + count * IV_BYTES);
  }

  /**
   * Drops the unused IVs: a resumed snapshot contains IVs that its original may have used already.
   */
  drop(): void {
    this.#next = IVS_PER_DRAW;
  }
}
