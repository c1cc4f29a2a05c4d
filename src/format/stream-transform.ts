/** One way through a stream: bytes in, whatever is complete out, never more than a segment held. */
export interface StreamTransform {
  /** Bytes to give out now, in order. @throws ServiceError */
  push(chunk: Buffer): readonly Buffer[];
  /** The last of them; to be called once, when all is pushed. @throws ServiceError */
  end(): readonly Buffer[];
  /** Bytes of plaintext so far: taken in by a sealer, given out by an opener. */
  readonly plaintextBytes: number;
}
