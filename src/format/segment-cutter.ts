/**
 * Smaller pieces are copied into one block: a body of single bytes must not become a million
 * buffers.
 */
const COPY_BELOW = 4_096;
const BLOCK_BYTES = 65_536;

/**
 * Cuts a body of any pieces into segments. A full segment is held until the next byte: only then is
 * it certainly not the last. Pieces are kept as they are, so a segment costs no copy.
 */
export class SegmentCutter {
  readonly #later: number;
  #capacity: number;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #block: Buffer | undefined;
  #blockFrom = 0;
  #blockTo = 0;

  /** @param first bytes of the first segment @param later of every other */
  constructor(first: number, later: number) {
    this.#capacity = first;
    this.#later = later;
  }

  /** Calls `cut` with each complete segment that another one follows. */
  push(chunk: Buffer, cut: (pieces: readonly Buffer[]) => void): void {
    let rest = chunk;
    while (this.#bytes + rest.length > this.#capacity) {
      const free = this.#capacity - this.#bytes;
      this.#hold(rest.subarray(0, free));
      rest = rest.subarray(free);
      cut(this.last());
    }
    this.#hold(rest);
  }

  /** Returns the bytes held: at the end of the body, the last segment. */
  last(): readonly Buffer[] {
    this.#endBlockPiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    this.#capacity = this.#later;
    this.#block = undefined;
    return pieces;
  }

  #hold(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#bytes += piece.length;
    if (piece.length < COPY_BELOW) {
      this.#copy(piece);
      return;
    }
    this.#endBlockPiece();
    this.#pieces.push(piece);
  }

  #copy(piece: Buffer): void {
    if (!this.#block || this.#blockTo + piece.length > BLOCK_BYTES) {
      this.#endBlockPiece();
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#blockFrom = 0;
      this.#blockTo = 0;
    }
    this.#blockTo += piece.copy(this.#block, this.#blockTo);
  }

  #endBlockPiece(): void {
    if (this.#block && this.#blockTo > this.#blockFrom) {
      this.#pieces.push(this.#block.subarray(this.#blockFrom, this.#blockTo));
      this.#blockFrom = this.#blockTo;
    }
  }
}
