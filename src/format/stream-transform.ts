/** One direction of a stream: takes bytes, returns complete segments, holds at most one. */
export interface StreamTransform {
  /**
   * Returns the bytes that are complete now, in order. Takes over the chunk, whose memory is freed
   * after its use.
   * @throws ServiceError
   */
  push(chunk: Buffer): readonly Buffer[];
  /**
   * Returns the last bytes. Called once, after all pushes.
   * @throws ServiceError
   */
  end(): readonly Buffer[];
  /** Bytes of plaintext so far: read by a sealer, returned by an opener. */
  readonly plaintextBytes: number;
}
