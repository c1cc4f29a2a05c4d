/** Smaller pieces are copied together: a body of single bytes must not become a million buffers. */
const COPY_BELOW = 4_096;
const BLOCK_BYTES = 65_536;

/**
 * Cuts a body into segments, whatever pieces it comes in. A full segment is held until one more byte comes: only then is it
 * surely not the last. Pieces are kept as they are, so that a segment costs no copy.
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

  /** Gives `cut` each segment that is complete and followed by another. */
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

  /** What is held: the last segment, once no more comes. */
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
